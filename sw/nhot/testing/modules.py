"""Random float modules, for tests: seeded, small, every operator in every spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["RandomModule", "random_module"]

Function = Callable[..., Tensor]


class RandomModule(nn.Module):
    """Steps, and which earlier ones each of them reads; 0 is the input."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape
        self.steps = nn.ModuleList()
        self.reads: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for step, reads in zip(self.steps, self.reads, strict=True):
            values.append(step(*(values[index] for index in reads)))
        return values[-1]


class _Step(nn.Module):
    """One operation, with a module or constants of its own."""

    def __init__(self, function: Function, part: nn.Module | None = None, **constants: Tensor):
        super().__init__()
        self.function = function
        self.part = part
        for name, constant in constants.items():
            self.register_buffer(name, constant)

    def forward(self, *values: Tensor) -> Tensor:
        return self.function(self, *values)


class _Conv(nn.Conv2d):
    """A subclass that computes what its base does."""


class _Norm(nn.BatchNorm2d):
    """A subclass that calls its base."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


def random_module(seed: int, *, steps: int = 7) -> RandomModule:
    """A module in evaluation mode, of so many random steps, and a dense layer in half of the cases.

    Its input has the shape (batch, ``shape``): a map, or in some cases a sequence. Steps read
    the one before them and sometimes others, spelled as modules, functions and methods, many of
    them in place.
    """
    builder = _Builder(seed)
    builder.filters()  # so that there are weights
    for _ in range(steps):
        builder.step()
    builder.end()
    return builder.module.eval()


class _Builder:
    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.axes = 2 if self.random.random() < 0.75 else 1
        sizes = [int(self.random.integers(6, 10)) for _ in range(self.axes)]
        self.module = RandomModule((int(self.random.integers(1, 4)), *sizes))
        self.shapes: list[tuple[int, ...]] = [self.module.shape]

    @property
    def channels(self) -> int:
        return self.shapes[-1][0]

    def step(self) -> None:
        """Append something that suits the last shape."""
        choices = [
            self.filters, self.filters, self.norm, self.activation, self.activation, self.pool,
            self.pad, self.constants, self.constants, self.add, self.add, self.join, self.passing,
            self.upsample, self.again,
        ]
        choices[self.below(len(choices))]()

    def below(self, number: int) -> int:
        return int(self.random.integers(number))

    def number(self, low: float, high: float) -> float:
        return round(float(self.random.uniform(low, high)), 2)

    def sizes(self, low: int, high: int) -> tuple[int, ...]:
        return tuple(int(self.random.integers(low, high + 1)) for _ in range(self.axes))

    def one_of(self, *choices: Any) -> Any:
        return choices[self.below(len(choices))]

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def append(
        self, function: Function, part: nn.Module | None = None, *reads: int, **constants: Tensor
    ) -> None:
        """A step that reads the last value, and others."""
        step = _Step(function, part, **constants).eval()
        indices = (len(self.shapes) - 1, *reads)
        with torch.no_grad():
            made = step(*(torch.zeros(2, *self.shapes[index]) for index in indices))
        self.module.steps.append(step)
        self.module.reads.append(indices)
        self.shapes.append(tuple(made.shape[1:]))

    def fill(self, module: Any) -> None:
        """Draw the parameters of a module with weights."""
        with torch.no_grad():
            fan_in = module.weight[0].numel()
            module.weight.copy_(self.normal(*module.weight.shape) * 1.5 / fan_in**0.5)
            if module.bias is not None:
                module.bias.copy_(0.3 * self.normal(*module.bias.shape))

    def filters(self) -> None:
        groups = self.one_of(1, 1, self.channels)
        outputs = groups * (1 + self.below(max(1, 6 // groups)))
        kernel, stride = self.sizes(1, 3), self.sizes(1, 2)
        padding = tuple(self.below(k) for k in kernel)
        sizes = self.shapes[-1][1:]
        fits = all(
            size + 2 * pad >= tap for size, pad, tap in zip(sizes, padding, kernel, strict=True)
        )
        options: dict[str, Any] = {"groups": groups, "bias": bool(self.below(2))}
        if not fits or self.below(6) == 0:
            return self._transposed(groups, kernel, options)
        options |= {"stride": stride, "padding": padding}
        if self.below(4) == 0 and all(size % 2 for size in kernel):
            options |= {"stride": 1, "padding": "same"}
        kinds = (nn.Conv1d,) if self.axes == 1 else (nn.Conv2d, _Conv)
        part = self.one_of(*kinds)(self.channels, outputs, kernel, **options)
        self.fill(part)
        call = F.conv1d if self.axes == 1 else F.conv2d
        self.append(self.one_of(
            lambda m, x: m.part(x),
            lambda m, x: call(
                x, m.part.weight, m.part.bias, m.part.stride, m.part.padding, groups=groups
            ),
        ), part)
        return None

    def _transposed(self, groups: int, kernel: tuple[int, ...], options: dict[str, Any]) -> None:
        kind: Any = nn.ConvTranspose1d if self.axes == 1 else nn.ConvTranspose2d
        stride = self.sizes(1, 2)
        extra = tuple(self.below(s) for s in stride)
        options |= {"stride": stride, "output_padding": extra}
        part = kind(self.channels, 2 * groups, kernel, **options)
        self.fill(part)
        self.append(lambda m, x: m.part(x), part)

    def norm(self) -> None:
        affine = bool(self.below(3))
        kinds = (nn.BatchNorm1d,) if self.axes == 1 else (nn.BatchNorm2d, _Norm)
        part = self.one_of(*kinds)(self.channels, eps=self.one_of(1e-5, 0.1), affine=affine)
        with torch.no_grad():
            part.running_mean.copy_(0.5 * self.normal(self.channels))
            part.running_var.copy_(self.normal(self.channels).abs() + 0.3)
            if affine:
                part.weight.copy_(self.normal(self.channels))
                part.bias.copy_(0.5 * self.normal(self.channels))
        self.append(self.one_of(
            lambda m, x: m.part(x),
            lambda m, x: F.batch_norm(
                x, m.part.running_mean, m.part.running_var, m.part.weight, m.part.bias,
                eps=m.part.eps,
            ),
        ), part)

    def activation(self) -> None:
        low, high = self.number(-1, -0.2), self.number(0.3, 2)
        self.append(*self.one_of(
            (lambda m, x: m.part(x), self.one_of(
                nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.ReLU6(inplace=True),
                nn.Hardtanh(low, high), nn.Hardtanh(low, high, inplace=True),
            )),
            (self.one_of(
                lambda m, x: torch.relu(x), lambda m, x: F.relu(x), lambda m, x: x.relu(),
                lambda m, x: F.relu(x, inplace=True), lambda m, x: F.relu_(x),
                lambda m, x: torch.relu_(x), lambda m, x: x.relu_(),
                lambda m, x: F.relu6(x), lambda m, x: F.relu6(x, inplace=True),
                lambda m, x: F.hardtanh(x, low, high), lambda m, x: F.hardtanh_(x, low, high),
                lambda m, x: x.clamp(min=0), lambda m, x: x.clamp_(low, high),
                lambda m, x: torch.clamp(x, low), lambda m, x: torch.clip(x, max=high),
                lambda m, x: x.clip_(0, high), lambda m, x: x.clamp_min_(0),
                lambda m, x: torch.maximum(x, torch.tensor(low)),
            ),),
            (self.one_of(  # through a view of the same memory
                lambda m, x: (x.flatten(1).relu_(), x)[1],
                lambda m, x: (x.view(x.shape[0], -1).clamp_(low, high), x)[1],
                lambda m, x: (x.detach().relu_(), x)[1],
                lambda m, x: (torch.clamp(x, low, out=x), x)[1],
            ),),
        ))

    def pool(self) -> None:
        shape = self.shapes[-1]
        kernel = tuple(min(size, 1 + self.below(3)) for size in shape[1:])
        padding, stride = tuple(k // 2 for k in kernel), self.sizes(1, 2)
        kinds: tuple[Any, ...] = (nn.MaxPool2d, nn.AvgPool2d, F.max_pool2d)
        if self.axes == 1:
            kinds = nn.MaxPool1d, nn.AvgPool1d, F.max_pool1d
        largest = kinds[0](kernel, stride, padding, ceil_mode=bool(self.below(2)))
        mean, call = kinds[1](kernel, stride, padding), kinds[2]
        self.append(*self.one_of(
            (lambda m, x: m.part(x), largest), (lambda m, x: m.part(x), mean),
            (lambda m, x: call(x, kernel, 1),),
        ))

    def pad(self) -> None:
        sides = tuple(self.below(3) for _ in range(2 * self.axes))
        kinds = (nn.ConstantPad1d,) if self.axes == 1 else (nn.ConstantPad2d,)
        self.append(*self.one_of(
            (lambda m, x: m.part(x), self.one_of(*kinds)(sides, 0.0)),
            (lambda m, x: F.pad(x, sides),),
        ))

    def constants(self) -> None:
        gain, offset = self.one_of(self.number(0.5, 2), self.number(-2, -0.5)), self.number(-1, 1)
        shape = (self.channels, *[1] * self.axes)
        mean, std = 0.5 * self.normal(1, *shape), self.normal(*shape).abs() + 0.5
        self.append(self.one_of(
            lambda m, x: gain * x, lambda m, x: offset - x, lambda m, x: x.mul_(gain),
            lambda m, x: 2 * x - 1, lambda m, x: x / gain + offset, lambda m, x: -x,
            lambda m, x: (x - m.mean) / m.std, lambda m, x: x.sub_(m.mean).div_(m.std),
            lambda m, x: torch.add(x, m.mean, alpha=gain), lambda m, x: m.std * x,
            lambda m, x: _iadd(x, offset), lambda m, x: torch.sub(m.mean, x),
            lambda m, x: torch.mul(x, torch.tensor([gain])), lambda m, x: x.add_(m.mean),
        ), mean=mean, std=std)

    def partners(self, axes: slice) -> list[int]:
        return [
            index for index, shape in enumerate(self.shapes) if shape[axes] == self.shapes[-1][axes]
        ]

    def add(self) -> None:
        self.append(self.one_of(
            lambda m, x, y: x + y, lambda m, x, y: torch.add(x, y), lambda m, x, y: x.add(y),
            lambda m, x, y: x.add_(y), lambda m, x, y: _iadd(y, x),
            lambda m, x, y: torch.add(x, other=y), lambda m, x, y: torch.add(x, y, out=y),
        ), None, self.one_of(*self.partners(slice(None))))

    def join(self) -> None:
        if self.channels > 8:
            return
        self.append(self.one_of(
            lambda m, x, y: torch.cat([x, y], 1), lambda m, x, y: torch.concat((y, x), dim=1),
            lambda m, x, y: torch.cat([x, y, x], dim=1 - x.dim()),
        ), None, self.one_of(*self.partners(slice(1, None))))

    def passing(self) -> None:
        part = self.one_of(nn.Identity(), nn.Dropout(), nn.Dropout(0.1, inplace=True))
        self.append(*self.one_of(
            (lambda m, x: m.part(x), part),
            (self.one_of(
                lambda m, x: F.dropout(x, training=m.training), lambda m, x: x.clone(),
                lambda m, x: x.contiguous(), lambda m, x: x.detach(), lambda m, x: x.float(),
                lambda m, x: x.flatten(1).view(x.shape),
            ),),
        ))

    def upsample(self) -> None:
        if max(self.shapes[-1][1:]) > 12:
            return
        self.append(*self.one_of(
            (lambda m, x: m.part(x), nn.Upsample(scale_factor=2)),
            (lambda m, x: F.interpolate(x, scale_factor=2.0, mode="nearest"),),
        ))

    def again(self) -> None:
        """A convolution called twice."""
        part = (nn.Conv1d if self.axes == 1 else nn.Conv2d)(self.channels, self.channels, 1)
        self.fill(part)
        self.append(lambda m, x: m.part(m.part(x).relu()), part)

    def end(self) -> None:
        if self.below(2):
            return
        axes = list(range(2, 2 + self.axes))
        adaptive = (nn.AdaptiveAvgPool1d if self.axes == 1 else nn.AdaptiveAvgPool2d)(1)
        self.append(*self.one_of(
            (lambda m, x: x.flatten(1),), (lambda m, x: x.mean(axes),),
            (lambda m, x: torch.flatten(m.part(x), 1), adaptive),
            (lambda m, x: x.reshape(x.size(0), -1),), (lambda m, x: m.part(x), nn.Flatten()),
        ))
        if self.below(2):
            mean = self.normal(*self.shapes[-1])
            self.append(lambda m, x: x - m.mean, mean=mean)
        part = nn.Linear(self.channels, 5)
        self.fill(part)
        self.append(self.one_of(
            lambda m, x: m.part(x), lambda m, x: F.linear(x, m.part.weight, m.part.bias)
        ), part)


def _iadd(x: Tensor, y: Any) -> Tensor:
    x += y
    return x

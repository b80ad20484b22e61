"""The graph of a float model: what it does to a few samples, step by step."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from nhot.errors import NhotError
from nhot.quant.tracing.aliases import Aliases
from nhot.quant.tracing.steps import Step

__all__ = ["Traced", "line", "trace"]

_SEED = 0
"""While tracing; what a model draws is not the same elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A graph without operations in place, and what each of its steps gave on the samples."""

    graph: fx.GraphModule
    sample: Tensor
    values: dict[fx.Node, Any]


def trace(model: nn.Module, sample: Tensor) -> Traced:
    """The graph of ``model``, as it runs on ``sample``.

    Sizes are numbers while tracing: a model may check them, compute with them and decide by them.
    So are parameters and buffers, and what is computed from them alone. Decisions by the values of
    other tensors are refused. What a model writes in place is read by all later steps from the
    step that wrote it; where that cannot be told in a graph, the step is refused.
    """
    if _Recorder.is_operator(model):
        model = nn.Sequential(model)  # fx looks into the outermost module, whatever it is
    recorder = _Recorder(sample.clone())
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            graph = fx.GraphModule(model, recorder.trace(model))
        graph.graph.eliminate_dead_code(lambda node: node.op in {"placeholder", "output"})
    except NhotError:
        raise
    except AssertionError as error:  # one of the model's own
        raise recorder.failure(error) from error
    except Exception as error:
        raise NhotError(f"Model must be traceable by torch.fx, but: {line(error)}; or export it: "
                        "nhot.import_model(torch.export.export(model, (sample,)))") from error
    return Traced(graph=graph, sample=sample, values=recorder.values)


def line(error: Exception) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


class _Recorder(fx.Tracer):
    """Computes every step on the samples as soon as it is recorded."""

    def __init__(self, sample: Tensor):
        super().__init__()
        self.sample = sample
        self.values: dict[fx.Node, Any] = {}
        self.aliases = Aliases()
        self.computing = False

    @staticmethod
    def is_operator(module: nn.Module) -> bool:
        """Whether the class of ``module`` says what it does: it is torch's own, or ours."""
        if isinstance(module, Step):
            return True
        kinds = type(module).__mro__
        written = ("forward", "__call__", "_conv_forward")
        first = min(
            (i for i, kind in enumerate(kinds) if any(name in vars(kind) for name in written)),
        )
        home = kinds[first].__module__
        return home.startswith("torch.nn.modules.") and not isinstance(module, nn.Sequential)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return self.is_operator(m)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Value(node, self)

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, fx.Proxy):
            return self._present(a.node)
        if isinstance(a, nn.Parameter) and all(a is not ours for ours in self.root.parameters()):
            a = a.detach()  # of a module that is no part of the model: a constant like others
        if isinstance(a, np.generic):
            a = a.item()
        return super().create_arg(a)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
        *options: Any, **named: Any,
    ) -> Any:
        if kind == "placeholder" and self.values:
            if not args:
                raise NhotError(f"Model must have one input, not a second one {target!r}")
            return args[0]  # an argument with a default keeps it
        proxy = super().create_proxy(kind, target, args, kwargs, *options, **named)
        node = proxy.node
        value = self._compute(node)
        self.aliases.add(node, value)
        self.values[node] = _copied(value)
        _without_target(node)
        return proxy

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        known = self.submodule_paths or {}
        if self.computing or m not in known:  # one made in passing, or kept in a list of Python's
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        return attr_val  # parameters are constants, and as such become part of steps

    def failure(self, error: Exception) -> NhotError:
        """What to tell of an error on the samples."""
        shape = tuple(self.sample.shape)
        return NhotError(f"Model must run on samples of shape {shape}, but: {line(error)}")

    def live(self, node: fx.Node) -> Any:
        """What ``node`` gave, as later steps have left it."""
        if node.op == "get_attr" and node not in self.values:
            value = operator.attrgetter(str(node.target))(self.root)
            self.aliases.add(node, value)
            self.values[node] = _copied(value)
        return self.aliases.live[node]

    def _present(self, node: fx.Node) -> fx.Node:
        """The node that gives what the tensor of ``node`` holds by now."""
        writer, same = self.aliases.writer(node)
        if writer is None:
            return node
        if not same:
            raise NhotError(
                f"Operation {writer.name!r} must not work in place on a part of {node.name!r}, "
                "which is read after it"
            )
        shape = tuple(self.live(node).shape)
        if tuple(self.live(writer).shape) == shape:
            return writer
        viewed = self.create_proxy("call_method", "reshape", (self.proxy(writer), *shape), {})
        found: fx.Node = viewed.node
        return found

    def _compute(self, node: fx.Node) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.live)
        self.computing = True
        try:
            match node.op:
                case "placeholder":
                    return self.sample
                case "call_module":
                    return self.root.get_submodule(str(node.target)).forward(*args, **kwargs)
                case "call_method":
                    return getattr(args[0], str(node.target))(*args[1:], **kwargs)
                case _:  # a function; parameters and the output have no proxies
                    assert callable(node.target)
                    return node.target(*args, **kwargs)
        except Exception as error:
            raise self.failure(error) from error
        finally:
            self.computing = False


def _copied(value: Any) -> Any:
    """A value that nothing in place changes any more."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, tuple | list):
        return [_copied(part) for part in value]
    return value


def _without_target(node: fx.Node) -> None:
    """Drop what a step writes into, now that its result stands for that."""
    if "out" in node.kwargs:
        node.kwargs = {name: value for name, value in node.kwargs.items() if name != "out"}
    if node.target == "copy_":
        node.args = node.args[1:]


def _known(name: str) -> property:
    return property(lambda self: getattr(self.value, name))


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: _Value, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return method


class _Value(fx.Proxy):
    """A tensor while tracing, of which all but the numbers are known."""

    shape, ndim, dtype, device = map(_known, ("shape", "ndim", "dtype", "device"))
    size, dim, numel, ndimension = map(_known, ("size", "dim", "numel", "ndimension"))
    __iadd__, __isub__, __imul__, __itruediv__ = map(
        _in_place, (operator.iadd, operator.isub, operator.imul, operator.itruediv)
    )

    @property
    def data(self) -> Any:
        """The tensor, as outside a trace: writes into it are writes into this one."""
        return self.detach()

    @property
    def value(self) -> Any:
        """What it is on the samples."""
        assert isinstance(self.tracer, _Recorder)
        return self.tracer.live(self.node)

    def __len__(self) -> int:
        return len(self.value)

    def __setitem__(self, key: Any, value: Any) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        if all(part is Ellipsis or (isinstance(part, slice) and part == slice(None))
               for part in parts):
            method = "copy_" if isinstance(value, fx.Proxy | Tensor) else "fill_"
            self.tracer.create_proxy("call_method", method, (self, value), {})
        else:
            self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

"""The graph of a float model: what it does to a few samples, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from nhot.errors import NhotError

__all__ = ["Shapes", "line", "trace"]

Shapes = dict[fx.Node, tuple[int, ...] | None]
"""The shape of every tensor in a graph; None for a step that gives several."""

_LEAVES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def trace(model: nn.Module, sample: Tensor) -> tuple[fx.GraphModule, Shapes]:
    """The graph of ``model``, as it runs on ``sample``, and the shape of every tensor in it.

    Sizes are numbers while tracing: a model may check them, compute with them and decide by them.
    Decisions by the values of tensors are refused.
    """
    if isinstance(model, _LEAVES):
        model = nn.Sequential(model)  # fx looks into the outermost module, whatever it is
    recorder = _Recorder(sample)
    try:
        with torch.no_grad():
            graph = fx.GraphModule(model, recorder.trace(model))
        graph.graph.eliminate_dead_code()
    except NhotError:
        raise
    except AssertionError as error:  # one of the model's own
        raise recorder.failure(error) from error
    except Exception as error:
        raise NhotError(f"Model must be traceable by torch.fx, but: {line(error)}") from error
    return graph, recorder.shapes


def line(error: Exception) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


class _Recorder(fx.Tracer):
    """Computes every step on the samples as soon as it is recorded."""

    def __init__(self, sample: Tensor):
        super().__init__()
        self.sample = sample
        self.values: dict[fx.Node, Any] = {}
        self.shapes: Shapes = {}
        self.computing = False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Value(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
        *options: Any, **named: Any,
    ) -> Any:
        if kind == "placeholder" and self.values and args:
            return args[0]  # an argument with a default keeps it
        proxy = super().create_proxy(kind, target, args, kwargs, *options, **named)
        node = proxy.node
        self.values[node] = value = self._compute(node)
        if isinstance(value, Tensor):
            self.shapes[node] = tuple(value.shape)
        elif isinstance(value, tuple | list) and any(isinstance(part, Tensor) for part in value):
            self.shapes[node] = None
        return proxy

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if self.computing:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if self.computing:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def failure(self, error: Exception) -> NhotError:
        """What to tell of an error on the samples."""
        shape = tuple(self.sample.shape)
        return NhotError(f"Model must run on samples of shape {shape}, but: {line(error)}")

    def _compute(self, node: fx.Node) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.values.__getitem__)
        self.computing = True
        try:
            match node.op:
                case "placeholder":
                    return self.sample
                case "get_attr":
                    return self._attribute(str(node.target))
                case "call_module":
                    return self.root.get_submodule(str(node.target)).forward(*args, **kwargs)
                case "call_method":
                    return getattr(args[0], str(node.target))(*args[1:], **kwargs)
                case "call_function":
                    assert callable(node.target)
                    return node.target(*args, **kwargs)
        except Exception as error:
            raise self.failure(error) from error
        finally:
            self.computing = False
        return None

    def _attribute(self, target: str) -> Any:
        value: Any = self.root
        for name in target.split("."):
            value = getattr(value, name)
        return value


def _known(name: str) -> property:
    return property(lambda self: getattr(self.value, name))


class _Value(fx.Proxy):
    """A tensor while tracing, of which all but the numbers are known."""

    shape, ndim, dtype, device = map(_known, ("shape", "ndim", "dtype", "device"))
    size, dim, numel, ndimension = map(_known, ("size", "dim", "numel", "ndimension"))

    @property
    def value(self) -> Any:
        """What it is on the samples."""
        assert isinstance(self.tracer, _Recorder)
        return self.tracer.values[self.node]

    def __len__(self) -> int:
        return len(self.value)

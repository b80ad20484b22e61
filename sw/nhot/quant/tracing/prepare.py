"""A copy of the caller's model as it is evaluated: plain modules, no training left on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from nhot.errors import NhotError

__all__ = ["prepare"]

_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_GLOBAL_HOOKS = ("_global_forward_pre_hooks", "_global_forward_hooks")


def prepare(model: nn.Module) -> nn.Module:
    """What ``model`` is in evaluation mode, on the processor, in single precision; a copy.

    Wrappers of torch (DataParallel, compiled modules) are taken off, and weights that torch
    computes in each call (pruned, normalised or parametrised ones) are computed once. Whatever else
    would run beside the modules' own ``forward``, or stay in training, is refused by name.
    """
    model = _unwrapped(model)
    _check_scripts(model)
    try:
        model = copy.deepcopy(model, _memo(model))
    except (RuntimeError, TypeError) as error:  # of a thread, a file or a generator, say
        text = " ".join(str(error).split())
        raise NhotError(f"Model must be one that can be copied, but: {text}") from error
    _unwrap_children(model)
    model = model.cpu().float().eval()
    for name, module in model.named_modules():
        with torch.no_grad():
            _materialise(module)
        _check(_called(name), module)
    for kind in _GLOBAL_HOOKS:
        for hook in getattr(torch_module, kind).values():
            raise NhotError(f"Hooks of all modules must be removed first, also {_text(hook)}")
    return model


def _unwrapped(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return _unwrapped(module.module)
    inner = getattr(module, "_orig_mod", None)  # of what torch.compile gives
    return _unwrapped(inner) if isinstance(inner, nn.Module) else module


def _unwrap_children(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        plain = _unwrapped(child)
        if plain is not child:
            setattr(module, name, plain)
        _unwrap_children(plain)


def _memo(model: nn.Module) -> dict[int, Any]:
    """Copies of the tensors that deepcopy refuses: those a forward pass has left in a module."""
    return {
        id(tensor): tensor.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        for tensor in _tensors(value)
        if not tensor.is_leaf
    }


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)


def _check_scripts(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise NhotError(
                f"{_called(name)} must be a torch.nn.Module in Python, not a ScriptModule: "
                "quantise the module that it was made from"
            )


def _materialise(module: nn.Module) -> None:
    """Make what torch computes before each call a plain parameter."""
    if parametrize.is_parametrized(module):
        # By hand: torch's own removal changes the class, which is the caller's as well.
        assert isinstance(module.parametrizations, nn.Module)
        names = [name for name, _ in module.parametrizations.named_children()]
        values = {name: getattr(module, name).detach().clone() for name in names}
        module.__class__ = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        for name, value in values.items():
            setattr(module, name, nn.Parameter(value))
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, prune.BasePruningMethod | WeightNorm | SpectralNorm):
            hook.remove(module)
            del module._forward_pre_hooks[key]


def _check(what: str, module: nn.Module) -> None:
    if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():
        raise NhotError(f"{what} must have its parameters: call the model once before")
    for kind in _HOOKS:
        for hook in getattr(module, kind).values():
            raise NhotError(
                f"{what} must have no forward hooks, not {_text(hook)}: remove it, "
                "or put what it does into forward"
            )
    if "forward" in vars(module):
        raise NhotError(f"{what} must have the forward of its class, not one of its own")
    if module.training:
        raise NhotError(f"{what} must leave training mode when eval() is called")


def _called(name: str) -> str:
    return f"Module {name!r}" if name else "Model"


def _text(hook: Any) -> str:
    return repr(getattr(hook, "__name__", type(hook).__name__))

"""A small program of torch.export, to be read and to be damaged."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

__all__ = ["exported_models", "repacked", "saved"]

Members = dict[str, bytes]

_GRAPH = "models/model.json"


def exported_models() -> list[bytes]:
    """A residual network as it was called, and in torch's basic operators.

    The same bytes wherever they are made: without the lines of Python that calls came from.
    """
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):  # of what torch itself has made old
        program = torch.export.export(_Residual().eval(), (torch.zeros(1, 1, 4, 4),))
        programs = [program, program.run_decompositions()]
    return [repacked(saved(one), _forget_origin) for one in programs]


def saved(program: ExportedProgram) -> bytes:
    """The file of a program."""
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.export.save(program, content)
    return content.getvalue()


def repacked(content: bytes, change: Callable[[Members], object]) -> bytes:
    """The archive with its members changed: ``change`` is given them by name."""
    archive, made = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(made, "w") as changed:
        for name, data in members.items():
            changed.writestr(zipfile.ZipInfo(f"model/{name}"), data)  # at no time
    return made.getvalue()


def _forget_origin(members: Members) -> None:
    """Where and when it was made: lines of Python, places in memory."""
    members.pop(".data/serialization_id", None)
    model = json.loads(members[_GRAPH])
    for node in model["graph_module"]["graph"]["nodes"]:
        for origin in ("stack_trace", "from_node"):
            node["metadata"].pop(origin, None)
    members[_GRAPH] = json.dumps(model).encode()


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.BatchNorm2d(2),
                                   nn.ReLU(inplace=True))
        self.second = nn.Conv2d(2, 2, 3, padding=1, groups=2)
        self.scores = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = F.max_pool2d(x + F.relu6(self.second(x)), 2)
        scores: Tensor = self.scores(x.flatten(1))
        return scores.softmax(1)

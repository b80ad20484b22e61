"""From a program of torch.export to a graph."""

from __future__ import annotations

from nhot.errors import NhotError
from nhot.frontends.exported.archive import open_archive
from nhot.frontends.exported.translate import translate
from nhot.frontends.graph import Graph
from nhot.frontends.onnx.read import ODD, Reader

__all__ = ["TOOL", "read_exported"]

TOOL = "torch.export"


def read_exported(data: bytes) -> Graph:
    """The model in ``data``, what ``torch.export.save`` wrote. Nothing that is in it is run.

    A softmax or sigmoid at the end is left out.

    Raises
    ------
    NhotError
        The file is damaged, or has what is not supported: the operator is named, and the reason.
    """
    archive = open_archive(data)
    try:
        file = translate(archive)
    except NhotError:
        raise
    except ODD as error:
        raise NhotError("Model's graph must be as torch.export writes it, "
                        f"which it is not ({type(error).__name__})") from None
    return Reader(file, TOOL).graph()

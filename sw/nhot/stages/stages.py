"""The stages of nhot's own road: a float module, its network, the image, and the board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nhot.compiler.differences import check_contents
from nhot.compiler.image import Image
from nhot.compiler.machine import Machine
from nhot.contract.program import DESCRIPTOR_WORDS
from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats, to_integers
from nhot.formats.format import Ints
from nhot.network import Network
from nhot.network.reference import run
from nhot.stages.stage import Reals, Stage, Traced, as_maps, real

if TYPE_CHECKING:
    from nhot.device import Board

__all__ = ["BoardStage", "FloatStage", "ImageStage", "NetworkStage"]


class FloatStage(Stage):
    """A module of torch, in evaluation mode.

    Parameters
    ----------
    model : nn.Module
    kind, size
        As of :class:`Stage`.
    """

    def __init__(self, model: Any, kind: str = "float", size: tuple[int, int] | None = None):
        self.model, self.kind = model, kind
        self.size = size

    def outputs(self, x: Floats) -> Reals:
        from nhot.experiments.training.metrics import outputs

        return as_maps(outputs(self.model, x))

    def trace(self, x: Floats) -> list[Traced]:
        """The layers that it would be quantised to, under their names, but not rounded."""
        from nhot.quant.model import as_samples
        from nhot.quant.post_training.twin import float_twin

        samples = as_samples(x)
        twin = float_twin(self.model, samples)
        values = {name: as_maps(made.numpy()) for name, made in twin.floats(samples).items()}
        last = values.pop(twin.output)
        values[twin.output] = last
        return [Traced(names=(name,), values=made) for name, made in values.items()]


class NetworkStage(Stage):
    """The reference on a network."""

    kind = "network"

    def __init__(self, network: Network):
        self.network: Network = network
        self.size = network.input.shape[:2]

    def outputs(self, x: Floats) -> Reals:
        return real(self.network.output, run(self.network, self.integers(x)))

    def trace(self, x: Floats) -> list[Traced]:
        return traced(self.network, run(self.network, self.integers(x), trace=True))

    def integers(self, x: Floats) -> Ints:
        """Samples as the network takes them."""
        return to_integers(self.network.input, x)


class ImageStage(NetworkStage):
    """What an image holds, run by an engine in numpy that knows nothing else.

    Parameters
    ----------
    image : Image
    network : Network
        Which the image must be of: it has the scales, that an image has not.

    Raises
    ------
    MismatchError
        The image is of another network; the first difference is named.
    """

    kind = "image"

    def __init__(self, image: Image, network: Network):
        super().__init__(network)
        if image.meta.network != network.name:
            raise NhotError(f"Network must be {image.meta.network!r}, which the image is of, "
                            f"not {network.name!r}")
        check_contents(network, image)
        self.image = image

    def outputs(self, x: Floats) -> Reals:
        machine, name = Machine(self.image), self.image.meta.output.name
        made = [machine.run(values)[name] for values in self.integers(x)]
        return real(self.network.output, np.stack(made))

    def trace(self, x: Floats) -> list[Traced]:
        integers = self.integers(x)
        machine = Machine(self.image)
        runs = [machine.run(values) for values in integers]
        found = {self.network.input.name: integers}
        found |= {name: np.stack([one[name] for one in runs]) for name in runs[0]}
        return traced(self.network, found)


class BoardStage(ImageStage):
    """A board with an image, which is loaded at once.

    Layers are read by programs that end behind them: what an activation memory holds in the end is
    but the last of what was there.

    Parameters
    ----------
    board : Board
    image, network
        As of :class:`ImageStage`.
    kind : str
        Where the board is.
    """

    def __init__(self, board: Board, image: Image, network: Network, kind: str = "board"):
        super().__init__(image, network)
        self.board, self.kind = board, kind

    def outputs(self, x: Floats) -> Reals:
        return real(self.network.output, self._run(self.integers(x)))

    def trace(self, x: Floats) -> list[Traced]:
        from nhot.progress import track

        integers = self.integers(x)
        found = {self.network.input.name: integers}
        last = {layer.name: place for place, layer in enumerate(self.image.meta.layers)}
        for name, place in track(list(last.items()), "reading layers", unit="layers"):
            self.board.load(cut(self.image, place + 1), verify=False)
            found[name] = self._run(integers)
        self.board.load(self.image, verify=False)
        return traced(self.network, found)

    def _run(self, integers: Ints) -> Ints:
        return np.stack([self.board.run(values).outputs for values in integers])


def cut(image: Image, layers: int) -> Image:
    """The image of the first so many parts of a program; its output is that of the last one."""
    size = 4 * DESCRIPTOR_WORDS
    kept = image.meta.layers[:layers]
    program = image.program[: size * layers] + image.program[-size:]
    return replace(image, program=program,
                   meta=replace(image.meta, layers=kept, output=kept[-1].output))


def traced(network: Network, found: dict[str, Ints]) -> list[Traced]:
    """The tensors of ``network`` among those found, in its order, the output last."""
    names: Iterable[str] = (*(one for one in network.tensors if one != network.output_name),
                            network.output_name)
    return [
        Traced(names=(name,), values=real(network.tensors[name], found[name]),
               grid=network.tensors[name])
        for name in names if name in found
        and found[name].shape[1:] == network.tensors[name].shape
    ]

"""Every tensor of a network on the gateware: those, too, that later layers overwrite."""

from __future__ import annotations

from nhot.compiler import Image
from nhot.contract.cycles import program_cycles, run_limit
from nhot.contract.program import (
    DESCRIPTOR_WORDS,
    Descriptor,
    Fault,
    Operation,
    Region,
    unpack_program,
)
from nhot.errors import MismatchError, NhotError
from nhot.formats.format import Ints
from nhot.network import Network
from nhot.network.reference import run
from nhot.progress import track
from nhot_sim.chain import check_layers
from nhot_sim.engine_simulation import surviving_layers
from nhot_sim.verilated_engine import VerilatedEngine

__all__ = ["check_tensors", "segments"]

_BYTES = 4 * DESCRIPTOR_WORDS
_END = Descriptor(operation=Operation.END).pack()


def check_tensors(
    engine: VerilatedEngine, network: Network, image: Image, inputs: Ints
) -> int:
    """Run ``inputs`` (batch, height, width, channels) on the Verilog of the engine, in Verilator.

    Every tensor must be that of the reference, and a run take the cycles that were predicted: of
    the program in parts that each end before a tensor is overwritten, and then as a whole. Returns
    how many values are equal; raises :class:`MismatchError` at the first difference in the order of
    the layers.
    """
    if engine.config != image.config:
        raise NhotError(f"Engine must be the one that the image is for, "
                        f"{image.config.target_id:#010x}, not {engine.config.target_id:#010x}")
    wanted = run(network, inputs, trace=True)
    layers, source = image.meta.layers, image.meta.input
    whole, parts = slice(0, len(layers)), segments(image)
    engine.write(Region.REQUANT, 0, image.requant)
    engine.write(Region.WEIGHTS, 0, image.weights)
    for index, x in enumerate(track(inputs, "Verilog in Verilator", unit="inputs")):
        for part in parts if parts == [whole] else [*parts, whole]:
            if part.start == 0:
                engine.write(Region.ACTIVATIONS, source.address, source.pack(x))
            _run(engine, image, part)
            check_layers("Verilog", _outputs(engine, image, part), wanted, index)
    return len(inputs) * sum(wanted[name][0].size for name in {layer.name for layer in layers})


def segments(image: Image) -> list[slice]:
    """The program in as few parts, one after another, as leave every tensor to the end of its own.
    """
    names = [layer.name for layer in image.meta.layers]
    # Where a layer ends that may go in several descriptors, one after the other.
    ends = [end for end in range(1, len(names) + 1) if names[end - 1 : end] != names[end : end + 1]]
    whole = {name: index for index, name in enumerate(names)}  # with its last descriptor
    found, start, last = [], 0, 0
    for end in ends:
        made = sum(start <= index < end for index in whole.values())
        if len(surviving_layers(image, slice(start, end))) < made:
            found.append(slice(start, last))
            start = last
        last = end
    return [*found, slice(start, len(names))]


def _run(engine: VerilatedEngine, image: Image, part: slice) -> None:
    """Run a part of the program as one of its own: all that it needs is in the memories."""
    program = image.program[part.start * _BYTES : part.stop * _BYTES] + _END
    engine.write(Region.PROGRAM, 0, program)
    steps = unpack_program(program)
    predicted = sum(program_cycles(steps, image.config))
    done = engine.run(run_limit(steps, image.config))
    if done.fault is not Fault.NONE:
        raise MismatchError(
            f"Run must reach its END, but stopped after {done.cycles:,} cycles in layer "
            f"{part.start + done.layers}: {done.fault.name}"
        )
    if done.cycles != predicted:
        raise MismatchError(
            f"Run of layers {part.start} to {part.stop - 1} must take {predicted:,} cycles, not "
            f"{done.cycles:,}, in the Verilog"
        )


def _outputs(engine: VerilatedEngine, image: Image, part: slice) -> dict[str, Ints]:
    outputs = {}
    for layer in surviving_layers(image, part):
        place = layer.output
        data = engine.read(Region.ACTIVATIONS, place.address, place.words * place.word_bytes)
        outputs[layer.name] = place.unpack(data)
    return outputs

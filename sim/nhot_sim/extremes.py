"""Networks and engines at the limits of the descriptor, judged: refused by name, or equal in all.

:mod:`nhot.testing.extremes` draws them.
"""

from __future__ import annotations

import numpy as np

from nhot.compiler import Image, Machine, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError, NhotError
from nhot.network.reference import run
from nhot.testing.extremes import Case
from nhot_sim.engine_simulation import EngineSimulation

__all__ = ["check_case"]


def check_case(case: Case) -> str:
    """Run a case: "refused: ..." by the compiler, or "equal" in all answers and in cycles.

    Raises :class:`MismatchError` with the seed where the reference, the image in numpy, or the
    gateware in Amaranth's simulator differ, or the cycles do from those predicted.
    """
    try:
        image = compile_network(case.network, case.config)
    except NhotError as error:
        return f"refused: {error}"
    image = Image.from_bytes(image.to_bytes())
    wanted = run(case.network, case.inputs, trace=True)
    machine = Machine(image)
    simulation = EngineSimulation(image, direct=True)
    try:
        gateware = simulation.run(list(case.inputs))
    except MismatchError as error:
        raise MismatchError(f"Seed {case.seed}: gateware: {error}") from None
    for index, values in enumerate(case.inputs):
        for what, outputs in (("image", machine.run(values)), ("gateware", gateware[index])):
            for name, got in outputs.items():
                if not np.array_equal(got, wanted[name][index]):
                    where = tuple(np.argwhere(got != wanted[name][index])[0].tolist())
                    raise MismatchError(
                        f"Seed {case.seed}: {what} of layer {name!r}, input {index}, at {where} "
                        f"must be {wanted[name][index][where]}, not {got[where]}"
                    )
    predicted = sum(program_cycles(unpack_program(image.program), image.config))
    if simulation.cycles != predicted:
        raise MismatchError(
            f"Seed {case.seed}: run must take {predicted} cycles, not {simulation.cycles}"
        )
    return "equal"

"""Signed-binary weights trained from scratch, with a sign for each filter or for each region.

    python examples/signed_binary.py [FOLDER]

A signed-binary weight is 0 or +s, or 0 or -s: a bit a weight, no multiplier, and no subtraction
where all weights of a filter have one sign. With regions of eight input channels a filter has signs
of both kinds, which it needs behind a ReLU; the array then takes a bit a step for them.

Trains the network for digits in both formats from random weights, and makes the smallest engine for
the better one. Writes ``digits.onnx``, ``engine.json`` and ``digits.img``; docs/quantisation.md
explains the formats.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.compiler.estimates import estimate
from nhot.compiler.fit import fit
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.experiments.data import load_digits, to_integers
from nhot.experiments.models.digits import digits
from nhot.experiments.training import Settings
from nhot.network import Network
from nhot.network.counts import count
from nhot.network.file import save
from nhot.network.reference import run
from nhot.quant import accuracy, quantize, to_network
from nhot.quant.recipes import recipe, run_recipe

DATA = load_digits()


def train(name: str, epochs: int) -> tuple[float, Network]:
    """A network in the format ``name`` from random weights, and its accuracy on held-out digits."""
    torch.manual_seed(0)
    model = quantize(digits(), name, DATA.train_x, input_range=DATA.input_range)
    settings = Settings(epochs=epochs, lr=1e-2, optimizer="adam")
    run_recipe(model, (DATA.train_x, DATA.train_y),
               recipe("from-scratch", model.formats, settings))
    return accuracy(model, DATA.test_x, DATA.test_y), to_network(model, "digits")


def main(folder: Path, *, epochs: int = 30) -> dict[str, float]:
    """Do it all; returns the accuracies, and that of the compiled image."""
    scores, networks = {}, {}
    for name in ("signed-binary", "signed-binary/8"):
        scores[name], networks[name] = train(name, epochs)
        counts = count(networks[name])
        print(f"{name:16} {scores[name]:.2%}  {counts.bits_per_weight:.2f} bits a weight, "
              f"{counts.density:.2f} of the weights are not zero")

    network = networks["signed-binary/8"]
    config = fit(network, EngineConfig(filters=4, inputs=8, format="signed-binary/8", lane="chain"))
    image = compile_network(network, config)
    folder.mkdir(parents=True, exist_ok=True)
    save(network, folder / "digits.onnx")
    (folder / "engine.json").write_text(config.to_json(), encoding="utf-8")
    (folder / "digits.img").write_bytes(image.to_bytes())
    cycles = sum(program_cycles(unpack_program(image.program), config))
    found = estimate(config, "icebreaker")
    print(f"{cycles:,} cycles an inference, {config.macs} multiply-accumulates a cycle; "
          f"about {found.luts:,} logic cells of an iCE40, {found.block_memories} block memories")

    # The image, run without the network, is the reference to the bit.
    x, machine = to_integers(network.input, DATA.test_x), Machine(image)
    outputs = run(network, x)
    for sample, wanted in zip(x[:20], outputs, strict=False):
        np.testing.assert_array_equal(machine.run(sample)[network.output.name], wanted)
    right = outputs.reshape(len(x), -1).argmax(axis=1) == DATA.test_y
    return {**scores, "reference": float(right.mean())}


if __name__ == "__main__":
    made = Path(sys.argv[1] if len(sys.argv) > 1 else "build/signed-binary")
    main(made)
    print(f"nhot verify {made}/digits.img --network {made}/digits.onnx")
    print(f"nhot verilog --board icebreaker --config {made}/engine.json -o {made}/verilog")

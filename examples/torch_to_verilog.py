"""A torch module of one's own, to the Verilog of an engine that is made to measure for it.

    python examples/torch_to_verilog.py [FOLDER]

Trains a small network on handwritten digits, rounds it to 2-hot, fine-tunes it, finds the smallest
engine that holds it, and walks the chain of equalities: network, image, the engine in Amaranth's
simulator, its Verilog under cocotb, every integer of every layer. Then FOLDER/engine has that
engine for a design of your own: one Verilog file, and a bench that runs with ``make`` and needs
nothing of nhot. FOLDER/mine.img is what it is loaded with, FOLDER/engine/host.py makes the frames.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import nhot
from nhot.compiler import EngineConfig
from nhot.compiler.fit import fit
from nhot_hw.core import EngineProduct
from nhot_sim.chain import verify

ARRAY = EngineConfig(pixels=1, filters=4, inputs=4, requantisers=1, format="2hot")
"""Four filters by four inputs a cycle; the memories will be as small as the network allows."""


def build() -> nn.Module:
    """The module: put yours here. (batch, 1, 8, 8) -> (batch, 10)"""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 10),
    )


def main(folder: Path, *, epochs: int = 8) -> float:
    """Do it all; returns the accuracy of the integers on held-out digits."""
    data = nhot.load_digits()
    torch.manual_seed(0)
    model = build()
    nhot.fit(model, data.train_x, data.train_y, epochs=epochs, lr=1e-2)
    quantized = nhot.quantize(model, "2hot", data.train_x, input_range=data.input_range)
    nhot.finetune(quantized, data.train_x, data.train_y, epochs=epochs)

    network = nhot.to_network(quantized, "mine")
    config = fit(network, ARRAY)
    image = nhot.compile_network(network, config)
    x = nhot.to_integers(network.input, data.test_x)
    for link in verify(network, image, x[:32]):
        print(f"{link.name:24} {link.compared}")

    (folder / "engine").mkdir(parents=True, exist_ok=True)
    for name, content in EngineProduct(config, name="mine").files().items():
        (folder / "engine" / name).write_bytes(content)
    nhot.save_network(network, folder / "mine.onnx")
    (folder / "mine.img").write_bytes(image.to_bytes())
    answers = nhot.run(network, x).reshape(len(x), -1).argmax(axis=1)
    return float(np.mean(answers == data.test_y))


if __name__ == "__main__":
    made = Path(sys.argv[1] if len(sys.argv) > 1 else "build/mine")
    print(f"accuracy {main(made):.2%}; the engine is in {made / 'engine'}")

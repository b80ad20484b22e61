"""A torch module of one's own, from float to the memory image of a board.

    python examples/own_module.py [FOLDER]

Trains a small network on handwritten digits, rounds its weights to 2-hot, corrects its biases,
fine-tunes it, compiles it for the iCEBreaker, and compares torch, the reference and the image
integer by integer. Writes ``own.onnx``, ``own.img`` and one input, ``x.npy``, which the commands of
nhot read. docs/quantisation.md explains each step, and others.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nhot.compiler import Machine, compile_network
from nhot.compiler.targets import target
from nhot.experiments.data import load_digits, to_integers
from nhot.network.counts import count
from nhot.network.file import save
from nhot.network.reference import run
from nhot.quant import accuracy, correct_bias, finetune, fit, quantize, to_network


class Net(nn.Module):
    """Two convolutions and a dense layer: (batch, 1, 8, 8) -> (batch, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.dense = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        result: Tensor = self.dense(x.flatten(1))
        return result


def main(folder: Path, *, epochs: int = 6) -> dict[str, float]:
    """Do it all; returns the accuracy on held-out digits by stage."""
    data = load_digits()
    train, test = (data.train_x, data.train_y), (data.test_x, data.test_y)
    torch.manual_seed(0)
    model = Net()
    fit(model, *train, epochs=epochs, lr=1e-2)
    scores = {"float": accuracy(model, *test)}

    quantized = quantize(model, "2hot", data.train_x, input_range=data.input_range)
    scores["rounded"] = accuracy(quantized, *test)
    correct_bias(quantized, model, data.train_x[:512])
    scores["corrected"] = accuracy(quantized, *test)
    finetune(quantized, *train, epochs=epochs)
    scores["finetuned"] = accuracy(quantized, *test)

    network = to_network(quantized, "own")
    counts = count(network)
    print(f"{counts.bits_per_weight:.2f} bits and {counts.terms_per_weight:.2f} terms a weight")
    image = compile_network(network, target("icebreaker", "2hot").config)
    folder.mkdir(parents=True, exist_ok=True)
    save(network, folder / "own.onnx")
    (folder / "own.img").write_bytes(image.to_bytes())

    # The same integers three times: torch, the reference, and the image run without the network.
    x = to_integers(network.input, data.test_x)
    np.save(folder / "x.npy", x[:1])
    integers = quantized.integers(torch.from_numpy(data.test_x))[network.output.name]
    outputs = run(network, x)
    np.testing.assert_array_equal(integers.permute(0, 2, 3, 1).numpy(), outputs)
    machine = Machine(image)
    for sample, wanted in zip(x[:20], outputs, strict=False):
        np.testing.assert_array_equal(machine.run(sample)[network.output.name], wanted)
    scores["reference"] = float((outputs.reshape(len(x), -1).argmax(axis=1) == data.test_y).mean())
    return scores


if __name__ == "__main__":
    made = Path(sys.argv[1] if len(sys.argv) > 1 else "build/own")
    for stage, share in main(made).items():
        print(f"{stage:10} {share:.2%}")
    print(made / "own.img")

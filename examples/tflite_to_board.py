"""A model of TensorFlow Lite, to a board: rounded to 2-hot, compiled, loaded, and run.

    python examples/tflite_to_board.py [FOLDER [MODEL.tflite DATA.npz]]

For want of a model of your own, one for handwritten digits is trained and exported as an int8
model. Its integers are rounded to 2-hot weights, with biases corrected from samples and no
training. The board is the smallest that holds it, and a virtual one: its own gateware in Verilator,
behind a serial port; for a real one give ``Board.open`` its port. DATA.npz has the samples x
(samples, channels, height, width), in the units that the model takes, and their classes y.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import nhot
from nhot.compiler.holders import smallest_holder
from nhot.experiments.data.arrays import load_npz
from nhot.experiments.evaluation import evaluate
from nhot.experiments.tasks import Source
from nhot.export import to_tflite
from nhot.network.file import save
from nhot.quant import post_train
from nhot.stages import NetworkStage
from nhot.stages.foreign import open_foreign
from nhot_sim.virtual_board import VirtualBoard


def own_model(folder: Path, epochs: int) -> tuple[Path, Path]:
    """An int8 model of digits, and the held-out digits to run it on."""
    data = nhot.load_digits()
    torch.manual_seed(0)
    model = nhot.digits()
    nhot.fit(model, data.train_x, data.train_y, epochs=epochs, lr=1e-2)
    network = nhot.to_network(
        nhot.quantize(model, "int8", data.train_x, input_range=data.input_range), "digits")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digits.tflite").write_bytes(to_tflite(network).data)
    np.savez(folder / "digits.npz", x=data.test_x, y=data.test_y)
    return folder / "digits.tflite", folder / "digits.npz"


def main(
    folder: Path, given: tuple[Path, Path] | None = None, *, epochs: int = 12, inputs: int = 20
) -> dict[str, float]:
    """Do it all; returns the accuracy by stage."""
    path, samples = given or own_model(folder, epochs)
    folder.mkdir(parents=True, exist_ok=True)
    x, _ = load_npz(samples)

    model = nhot.import_model(path)                 # a torch module, with the grids of the file
    quantized = nhot.quantize(model, "2hot", x[:256])
    post_train(quantized, model, x[:256])           # corrects the biases
    network = nhot.to_network(quantized, path.stem)
    save(network, folder / "net.onnx")
    source = Source(str(samples))
    scores = {
        stage.kind: evaluate(stage, source, split="train").value
        for stage in (open_foreign(path), NetworkStage(network))
    }

    engine = smallest_holder(network)
    if engine is None:
        raise SystemExit("no engine of a board holds it: nhot compile --fit makes one")
    image = nhot.compile_network(network, engine.config)
    (folder / "net.img").write_bytes(image.to_bytes())
    print(f"on {engine.board} {engine.configuration}")

    integers = nhot.to_integers(network.input, x[:inputs])
    wanted = nhot.run(network, integers)
    with VirtualBoard(engine.config) as place, nhot.Board(place.transport()) as board:
        board.load(image)
        for sample, output in zip(integers, wanted, strict=True):
            result = board.run(sample)
            np.testing.assert_array_equal(result.outputs, output)  # equal in every integer
    print(f"{result.cycles:,} cycles, {engine.clock_hz / result.cycles:,.0f} inferences a second")
    return scores


if __name__ == "__main__":
    made = Path(sys.argv[1] if len(sys.argv) > 1 else "build/tflite")
    files = (Path(sys.argv[2]), Path(sys.argv[3])) if len(sys.argv) > 3 else None
    for stage, share in main(made, files).items():
        print(f"{stage:16} {share:.2%}")

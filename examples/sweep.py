"""Sweep formats and engines for a network, and choose a board.

    python examples/sweep.py [FOLDER]

Trains a small network on the digits of scikit-learn. Then it rounds it to each format, fits it onto
each array, and estimates what these take of each board: of all that is accurate and fast enough the
smallest is chosen. Everything is kept in FOLDER (build/sweep unless given): run it again after a
stop, and it goes on. `nhot explore` does the same for a model and data of your own.
"""

import sys
from pathlib import Path

import torch

import nhot
from nhot.explore import Found, Point, Space, Store, Sweep, open_executor
from nhot.trials import DataSpec, Original

SPACE = Space(
    format=("1hot", "2hot"), filters=(4, 8), inputs=(4, 8), requantisers=(1, 4),
    board=("icebreaker", "ulx3s-85f"),
)
LEAST_SCORE = 0.9
LEAST_RATE = 10_000  # inferences a second


def main(folder: Path = Path("build/sweep"), *, space: Space = SPACE, epochs: int = 8) -> Point:
    """Sweep, print the front, and write the chosen engine and its network."""
    folder = folder.absolute()  # other processes work with these files
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "float.pt"
    if not weights.exists():
        train(weights, epochs)
    with open_executor() as executor:  # or open_executor("tcp://host:8786"), of a Dask cluster
        found = Sweep(
            original=Original(model="digits", weights=str(weights)), data=DataSpec(data="digits"),
            space=space, store=Store.create(folder / "results"), executor=executor,
        ).estimated()
    show(found)
    chosen = found.choose(LEAST_SCORE, LEAST_RATE)
    assert chosen is not None, "nothing is good and fast enough"
    engine, network = folder / f"{chosen.name}.json", folder / f"{chosen.name}.onnx"
    engine.write_text(f"{chosen.config.to_json()}\n", encoding="utf-8")
    network.write_bytes(Path(chosen.network).read_bytes())
    print(f"\nthe smallest with {LEAST_SCORE:.0%} and {LEAST_RATE:,} inferences/s: {chosen.name}")
    print(f"nhot build --board {chosen.board} --config {engine}")
    print(f"nhot compile {network} --config {engine}")
    return chosen


def train(path: Path, epochs: int) -> None:
    """The float network."""
    data, model = nhot.load_digits(), nhot.digits()
    nhot.fit(model, data.train_x, data.train_y, epochs=epochs, lr=1e-2)
    torch.save(model.state_dict(), path)


def show(found: Found) -> None:
    """The Pareto front, and how many were left out."""
    for point in found.front:
        print(f"{point.name:30} {point.scored.value:7.2%} {point.luts:7,} LUTs "
              f"{point.block_memories:3} blocks {point.rate:9,.0f} inferences/s")
    print(f"{len(found.points)} engines, {sum(found.left_out.values())} left out")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))

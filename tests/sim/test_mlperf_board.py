"""``nhot mlperf`` on a simulated board: bytes of a host to scores, time from its counter."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.profile import profile
from nhot.mlperf import Reading
from nhot.network.file import save
from nhot.network.reference import run as reference
from nhot.testing.mlperf_host import Host
from nhot.testing.tiny_networks import TINY, tiny_network
from nhot_sim.runner import require

# One engine, with room for each of the four.
CONFIG = EngineConfig(
    pixels=1, filters=4, inputs=4, accumulator_bits=25, product_bits=37, activation_words=6928,
    weight_words=448, requant_words=1288, program_words=42,
)
MHZ = 16

COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
from nhot.cli import main
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def device(folder, name, *options):
    """The address that the command prints; it ends when it is interrupted."""
    image = compile_network(tiny_network(name), CONFIG)
    save(tiny_network(name), folder / "net.onnx")
    (folder / "net.img").write_bytes(image.to_bytes())
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "mlperf", "net.img", "--network", "net.onnx",
         "--port", "virtual", "--clock", str(MHZ), *options],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )
    try:
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        yield address, profile(image).cycles
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert "interrupted" in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_simulated_board_as_a_device(tmp_path, name):
    for tool in ("verilator", "g++"):
        require(tool)
    network = tiny_network(name)
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, Reading(network).model.size, dtype=np.uint8).tobytes()
    if name == "ad01":
        data = rng.uniform(-30, 30, 640).astype("<f4").tobytes()
    options = ["--tcp", "0"] if name == "kws01" else []
    with device(tmp_path, name, *options) as (address, cycles):
        with Host(f"socket://{address}" if options else address, piece=38) as host:
            assert host.command("profile")[1] == f"m-model-[{name}]"
            host.load(data)
            timed = host.infer(3, 1)
            time = host.command("timestamp")
    sample = Reading(network).sample(data)
    output = reference(network, sample.integers[None])[0]
    assert timed.scores == [
        pytest.approx(score, abs=0.00051) for score in Reading(network).scores(sample, output)]
    assert timed.microseconds in {3 * cycles // MHZ, 3 * cycles // MHZ + 1}
    assert time == [f"m-lap-us-{4 * cycles // MHZ}"]

"""The driver in C against the engine's Verilog: every output is the reference's."""

import re
import subprocess
import zlib
from functools import cache
from pathlib import Path

import pytest

import nhot_hw.core
from nhot.compiler import compile_network
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.formats import parse
from nhot.network.reference import run
from nhot.testing.engine_networks import sample_network
from nhot.testing.networks import random_input, random_network
from nhot_sim.bus_engine import build_bus_engine

HERE = Path(__file__).parent / "driver"
DRIVER = Path(nhot_hw.core.__file__).parent / "templates" / "bus"
PAGE = Path(__file__).parents[2] / "docs" / "buses.md"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Wshadow", "-Wconversion", "-Werror"]
SANITIZED = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CONFIG = EngineConfig(
    format="ternary", filters=2, inputs=2, activation_words=1024, weight_words=2048,
    requant_words=256, program_words=256,
)
COUNT = 3


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program with the driver in it, which the sanitizers watch."""
    made = tmp_path_factory.mktemp("driver") / "run"
    compiled(["gcc", "-std=c99", *STRICT, *SANITIZED, "-o", made, HERE / "run.c"])
    return made


def compiled(command):
    done = subprocess.run(
        [*command, f"-I{DRIVER}", f"-I{HERE}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@cache
def engine_of(bus, buffer):
    return build_bus_engine(CONFIG, bus, buffer=buffer)


@pytest.fixture
def drive(program, tmp_path):
    """Run it at one end of two pipes, and the engine at the other."""
    def drive(bus, image, inputs, *options, buffer=256):
        (tmp_path / "net.img").write_bytes(image)
        (tmp_path / "in").write_bytes(inputs)
        engine = subprocess.Popen(
            [engine_of(bus, buffer)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        done = subprocess.run(
            [program, tmp_path / "net.img", tmp_path / "in", str(COUNT), tmp_path / "out",
             *options],
            stdin=engine.stdout, stdout=engine.stdin, stderr=subprocess.PIPE, text=True,
            check=False,
        )
        engine.stdin.close()
        engine.stdout.close()
        engine.wait()
        out = tmp_path / "out"
        return done, out.read_bytes() if out.exists() else b""

    return drive


def as_bytes(tensor, values):
    kind = "i" if tensor.signed else "u"
    return values.astype(f"<{kind}{1 if tensor.bits <= 8 else 2}").tobytes()


def case(network, **options):
    """Its image, inputs, and the outputs that they must have."""
    image = compile_network(network, CONFIG, **options)
    inputs = random_input(network.input, COUNT, 2)
    output = network.tensor(network.output_name)
    return image, as_bytes(network.input, inputs), as_bytes(output, run(network, inputs))


NETWORKS = {
    "residual": sample_network("ternary", size=4),
    "argmax": random_network(
        4, layers=2, shape=(5, 4, 3), formats=[parse("ternary")], widest=4, argmax=True,
        operators=("conv",),
    ),
    "gray": random_network(
        6, layers=1, shape=(7, 6, 1), formats=[parse("ternary")], widest=4, operators=("conv",),
    ),
    "pooled": random_network(1, layers=2, shape=(5, 4, 3), operators=("max",)),
}


@pytest.mark.parametrize("options", [(), ("ahead",)], ids=["run", "ahead"])
@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("bus", [
    "wishbone", pytest.param("axi", marks=pytest.mark.slow),
])
def test_outputs_are_those_of_the_reference(drive, bus, network, options):
    image, inputs, wanted = case(NETWORKS[network])
    done, got = drive(bus, image.to_bytes(), inputs, *options)
    assert done.returncode == 0, done.stderr
    assert got == wanted
    cycles = sum(program_cycles(unpack_program(image.program), CONFIG))
    assert done.stderr == f"{cycles} cycles\n"


def test_networks_lie_in_the_memory_in_different_ways():
    places = {name: case(network)[0].meta for name, network in NETWORKS.items()}
    assert places["gray"].input.window is not None
    assert places["pooled"].input.window is None
    assert places["pooled"].input.shape[2] % CONFIG.inputs
    assert places["argmax"].output.bits == 16
    assert {meta.input.offset for meta in places.values()} == {0, -128}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_outputs_of_random_networks(drive, seed):
    network = random_network(
        seed, layers=3, shape=(5, 6, 1 + seed % 3), formats=[parse("ternary")], widest=4,
        operators=("conv", "max", "average", "add"),
    )
    image, inputs, wanted = case(network)
    done, got = drive("wishbone", image.to_bytes(), inputs)
    assert done.returncode == 0, done.stderr
    assert got == wanted


def changed(image, at, value):
    return image[:at] + bytes([image[at] ^ value]) + image[at + 1 :]


@pytest.mark.parametrize(("damage", "text"), [
    (lambda image: b"", "no memory image of version 2"),
    (lambda image: image[:-1], "no memory image of version 2"),
    (lambda image: changed(image, 0, 1), "no memory image of version 2"),
    (lambda image: changed(image, 4, 1), "no memory image of version 2"),
    (lambda image: changed(image, 8, 1), "the image is for another engine"),
    (lambda image: changed(image, 59, 1), "no memory image of version 2"),
    (lambda image: changed(image, 120, 1), "the image is damaged"),
    (lambda image: changed(image, len(image) - 1, 1), "the image is damaged"),
])
def test_what_is_no_sound_image_is_refused(drive, damage, text):
    image, inputs, _ = case(NETWORKS["gray"])
    done, got = drive("wishbone", damage(image.to_bytes()), inputs)
    assert (done.returncode, done.stderr) == (1, f"load: {text}\n")
    assert not got


@pytest.mark.slow
def test_a_buffer_that_is_too_small_is_said(drive):
    image, inputs, _ = case(NETWORKS["gray"])
    done, _ = drive("wishbone", image.to_bytes(), inputs, "ahead", buffer=2)
    assert (done.returncode, done.stderr) == (1, "ahead: the input buffer has no room\n")


def test_a_program_that_cannot_be_run_is_said(drive):
    """An image whose checksums are right, and its first descriptor not."""
    image, inputs, _ = case(NETWORKS["gray"])
    data = bytearray(image.to_bytes())
    entry = 52 + 2 * 12
    lengths = [int.from_bytes(data[52 + 12 * i + 4 :][:4], "little") for i in range(5)]
    start = 112 + lengths[0] + lengths[1]
    data[start] = 0xFF
    section = data[start : start + lengths[2]]
    data[entry + 8 : entry + 12] = zlib.crc32(section).to_bytes(4, "little")
    done, _ = drive("wishbone", bytes(data), inputs)
    assert (done.returncode, done.stderr) == (1, "run: the engine broke off the run\n")


@pytest.mark.parametrize("language", [
    ["gcc", "-std=c99"], ["gcc", "-std=c17", "-O2"], ["g++", "-std=c++17", "-x", "c++"],
], ids=["c99", "c17", "c++"])
def test_the_page_compiles(tmp_path, language):
    """What the documents show, with the accesses that the driver has by itself."""
    (text,) = re.findall(r"^```c\n(.*?)^```$", PAGE.read_text(encoding="utf-8"),
                         re.MULTILINE | re.DOTALL)
    (tmp_path / "main.c").write_text(text, encoding="utf-8")
    flags = [flag for flag in STRICT if flag != "-Wconversion"]
    compiled([*language, *flags, "-c", "-o", tmp_path / "main.o", tmp_path / "main.c"])

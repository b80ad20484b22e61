"""The chain of equalities on one image, and how each kind of damage is reported."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.differences import check_contents
from nhot.contract.codes import pack_codes, unpack_codes
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError
from nhot.network.file import save
from nhot.report import read_report
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot.testing.foreign import onnx_models
from nhot_sim import chain
from nhot_sim.chain import Link, verify
from nhot_sim.runner import require

CONFIG = EngineConfig(weight_words=128, activation_words=256)


@pytest.fixture(scope="module")
def network():
    return sample_network("2hot", size=5)


@pytest.fixture(scope="module")
def image(network):
    return compile_network(network, CONFIG)


def _with_weight(image, word, lane, change):
    """The image with one weight code moved, as a valid image."""
    bits = CONFIG.weight_format.code_bits
    codes = unpack_codes(image.weights, bits, CONFIG.word_codes)
    codes[word, lane] += change
    return replace(image, weights=pack_codes(codes, bits))


def test_what_a_bench_leaves_may_be_kept_anywhere(tmp_path):
    for _ in range(2):
        with chain._folder(tmp_path / "a" / "b") as folder:
            assert folder == tmp_path / "a" / "b"
            assert folder.is_dir()


def test_whole_chain(network, image):
    require("iverilog")
    names = [link.name for link in verify(network, image, extreme_inputs(network)[:2])]
    assert names == [
        "network == image", "reference == image", "reference == Amaranth", "reference == Verilog",
    ]


def test_a_corrupted_weight_is_named(network, image):
    # Word 13 of conv2 is its first tile's y 2, x 0, word 1: channels 4 to 7; lane 6 is filter 1's
    # third input.
    conv1 = unpack_program(image.program)[0]
    taps = (conv1.last_tap_y + 1) * (conv1.last_tap_x + 1)
    start = (conv1.last_tile + 1) * (conv1.last_word + 1) * taps
    bad = _with_weight(image, start + 13, 6 - 2, 1)
    strided = network.node("strided").weights
    want = int(strided[1, 2, 0, 4])
    got = int(CONFIG.weight_format.levels[CONFIG.weight_format.encode([want])[0] + 1])
    message = (
        f"Weight of layer 'strided' at filter 1, y 2, x 0, channel 4 must be {want}, not {got} "
    )
    with pytest.raises(MismatchError, match=message):
        check_contents(network, bad)


def test_the_command_says_so_with_exit_code_1(network, image, tmp_path, capsys):
    save(network, tmp_path / "net.onnx")
    (tmp_path / "net.img").write_bytes(_with_weight(image, 0, 0, 1).to_bytes())
    assert main(["verify", str(tmp_path / "net.img")]) == 1
    error = capsys.readouterr().err
    assert "Weight of layer 'conv' at filter 0, y 0, x 0, channel 0 must be" in error
    assert "Traceback" not in error


def test_the_command_tells_each_link(network, image, tmp_path, capsys, monkeypatch):
    """As text, as JSON and in a report, where what was left out is not held."""
    def short(*_, simulated, simulator, full):
        yield Link(name="network == image", compared=f"{simulated} {simulator} {full}")
        yield Link(name="reference == Amaranth", compared="about 7 minutes", left_out=not full)

    monkeypatch.setattr(chain, "verify", short)
    save(network, tmp_path / "other.onnx")
    (tmp_path / "net.img").write_bytes(image.to_bytes())
    np.save(tmp_path / "x.npy", extreme_inputs(network)[:1])
    arguments = ["verify", str(tmp_path / "net.img"), "--network", str(tmp_path / "other.onnx"),
                 "--input", str(tmp_path / "x.npy"), "--simulated", "3"]
    assert main([*arguments, "--report", str(tmp_path / "r.json")]) == 0
    equal, left_out = capsys.readouterr().out.splitlines()
    assert equal.split() == ["equal", "network", "==", "image", "3", "None", "False"]
    assert left_out.startswith("left out  reference == Amaranth")
    assert left_out.endswith("about 7 minutes; --full runs it")
    (entry,) = read_report(tmp_path / "r.json").entries
    assert [link.link for link in entry.verified.links] == ["network == image"]
    assert entry.network.name == network.name
    assert main([*arguments, "--full", "--simulator", "icarus", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == {"link": "network == image", "compared": "3 icarus True", "left_out": False}
    assert not second["left_out"]
    assert main([*arguments, "--simulated", "0"]) == 2
    assert "inputs must be at least 1, not 0" in capsys.readouterr().err


def test_other_damage_is_named(network, image):
    requant = bytearray(image.requant)
    requant[8] ^= 1
    with pytest.raises(MismatchError, match="Requantisation of layer 'conv', bias of channel 1"):
        check_contents(network, replace(image, requant=bytes(requant)))
    program = bytearray(image.program)
    program[1] ^= 1
    message = "Descriptor of layer 'conv', field pad_value, must be -?[0-9]+, not -?[0-9]+"
    with pytest.raises(MismatchError, match=message):
        check_contents(network, replace(image, program=bytes(program)))
    with pytest.raises(MismatchError, match=r"Image must hold \d+ weight words, not \d+"):
        check_contents(network, replace(image, weights=image.weights + image.weights[:14]))


@pytest.mark.parametrize("model", [None, 0], ids=["none", "another tool's"])
def test_a_network_that_is_not_beside_the_image_is_named(model, image, tmp_path, capsys):
    path = tmp_path / "alone.img"
    path.write_bytes(image.to_bytes())
    if model is not None:
        path.with_suffix(".onnx").write_bytes(onnx_models()[model])
    assert main(["verify", str(path)]) == 2
    error = capsys.readouterr().err
    assert f"File {str(path.with_suffix('.onnx'))!r}" in error
    assert "; name the network that was compiled with --network" in error


def test_image_of_another_network_differs_in_the_reference(network, image):
    other = sample_network("2hot", size=5, seed=9)
    x = extreme_inputs(other)[:1]
    with pytest.raises(MismatchError):
        list(verify(other, image, x))


def test_a_missing_simulator_is_named(network, image, tmp_path, capsys, monkeypatch):
    save(network, tmp_path / "net.onnx")
    (tmp_path / "net.img").write_bytes(image.to_bytes())
    monkeypatch.setattr("nhot_sim.runner._is_installed", lambda tool: tool != "iverilog")
    monkeypatch.setattr("nhot_sim.chain.check_amaranth", lambda *_: None)
    assert main(["verify", str(tmp_path / "net.img"), "--simulator", "icarus"]) == 3
    assert "iverilog is not installed: apt install iverilog" in capsys.readouterr().err

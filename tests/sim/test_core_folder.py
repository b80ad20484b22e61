# amaranth: UnusedElaboratable=no
"""The folder of a core as a user has it: with cocotb and the tools, and without nhot."""

import re
import shutil

import pytest

from nhot.contract.config import EngineConfig
from nhot.files import write_folder
from nhot.formats import parse
from nhot_hw.core import ArrayProduct, EngineProduct, LaneProduct
from nhot_hw.lanes import LaneSpec

QUICK = [
    {"format": "2hot", "inputs": 2, "bias": True},
    {"format": "3hot", "inputs": 1, "style": "serial", "family": "ecp5"},
    {"format": "signed-binary", "inputs": 8, "activation_signed": False},
    {"format": "2hot", "inputs": 2, "filters": 3, "pixels": 2, "words": 20, "bias": True},
]
ALL = [
    *({"format": name, "inputs": 8}
      for name in ("1hot", "2hot", "3hot", "2hot+", "2hot@6", "ternary", "binary", "signed-binary",
                   "int8")),
    *({"format": name, "inputs": 8, "style": "serial"}
      for name in ("1hot", "2hot", "3hot", "2hot+", "ternary")),
    *({"format": name, "inputs": 3, "family": "ecp5", "bias": bias}
      for name in ("1hot", "2hot", "ternary", "binary", "signed-binary", "int8")
      for bias in (False, True)),
    *({"format": "signed-binary/16", "inputs": 8, "family": family, "bias": bias}
      for family in ("portable", "ecp5") for bias in (False, True)),
    {"format": "signed-binary/4", "inputs": 4, "filters": 2, "pixels": 2, "words": 8},
    *({"format": "2hot", "inputs": 3, "style": style, "family": "ecp5"}
      for style in ("chain", "serial")),
    *({"format": "int8", "inputs": 3, "style": "rows", "family": family}
      for family in ("portable", "ecp5")),
    {"format": "int4", "inputs": 1, "activation_bits": 2, "accumulator_bits": 8},
    *({"format": name, "inputs": 4, "style": style, "filters": 2, "pixels": 2, "words": 2,
       "family": family}
      for name, style in (("2hot", "parallel"), ("3hot", "serial"), ("ternary", "parallel"),
                          ("signed-binary", "parallel"), ("int8", "parallel"))
      for family in ("portable", "ecp5")),
    {"format": "1hot", "inputs": 1, "filters": 1, "pixels": 1, "words": 1000},
    {"format": "4hot@12", "inputs": 2, "activation_bits": 16, "accumulator_bits": 64},
]


SIZES = ("filters", "pixels", "words")


def product(*, format, family="portable", **options):
    sizes = {key: value for key, value in options.items() if key in SIZES}
    rest = {key: value for key, value in options.items() if key not in SIZES}
    spec = LaneSpec(format=parse(format), **rest)
    if sizes:
        return ArrayProduct(spec, family=family, **sizes)
    return LaneProduct(spec, family=family)


def name_of(options):
    return "-".join(str(value) for value in options.values())


@pytest.mark.parametrize("options", [
    *(pytest.param(options, id=name_of(options)) for options in QUICK),
    *(pytest.param(options, id=name_of(options), marks=pytest.mark.slow) for options in ALL),
])
def test_make_passes_without_nhot(tmp_path, user, options):
    write_folder(tmp_path / "X", product(**options).files())
    done = user.make(tmp_path / "X")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "TESTS=3 PASS=3 FAIL=0 SKIP=0" in done.stdout


def test_without_cocotb_make_says_what_is_missing(tmp_path, user):
    write_folder(tmp_path / "X", product(format="ternary", inputs=1).files())
    empty = tmp_path / "bin"
    empty.mkdir()
    for tool in ("make", "sh"):
        (empty / tool).symlink_to(shutil.which(tool))
    done = user.make(tmp_path / "X", PATH=str(empty))
    assert done.returncode == 2
    assert "cocotb-config must be on the PATH" in done.stderr


def test_where_make_cannot_include_it_says_what_can_run(tmp_path, user):
    """Makefiles of cocotb include one another, by paths that GNU make splits at spaces."""
    write_folder(tmp_path / "X", product(format="ternary", inputs=1).files())
    spaced = tmp_path / "bin"
    spaced.mkdir()
    program = spaced / "cocotb-config"
    program.write_text("#!/bin/sh\necho '/a b/makefiles'\n", encoding="utf-8")
    program.chmod(0o755)
    done = user.make(tmp_path / "X", PATH=f"{spaced}:/usr/bin:/bin")
    assert done.returncode == 2
    assert "a folder without spaces for make, not /a b/makefiles: python -m pytest" in done.stderr


@pytest.mark.parametrize("options", [
    pytest.param(QUICK[0], id="2hot"),
    *(pytest.param(options, id=name_of(options), marks=pytest.mark.slow) for options in QUICK[1:]),
])
def test_bench_notices_a_fault(tmp_path, user, options):
    one = product(**options)
    folder = tmp_path / "X"
    write_folder(folder, one.files())
    plant(folder / f"{one.name}.v")
    done = user.make(folder)
    assert done.returncode, "the bench must fail"
    assert "FAIL=3" in done.stdout, done.stdout[-3000:] + done.stderr
    assert user.fusesoc(folder, one.name, "sim").returncode, "so must the bench in Verilog"


def plant(path, lost="24'd1"):
    """Let the accumulator miss its lowest bit, or others."""
    text = path.read_text(encoding="utf-8")
    wrong = re.sub(r"( o_sum(_\d+)? <= )", rf"\1~{lost} & ", text)
    assert wrong != text
    path.write_text(wrong, encoding="utf-8")


@pytest.mark.parametrize("simulator", [
    "icarus", pytest.param("verilator", marks=pytest.mark.slow),
])
def test_pytest_runs_it_without_nhot(tmp_path, user, simulator):
    write_folder(tmp_path / "X", product(**QUICK[0]).files())
    done = user.run(
        ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "."], tmp_path / "X",
        SIM=simulator, MAKEFLAGS=verilator_flags(),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "1 passed" in done.stdout


def verilator_flags():
    """What the packaged Verilator's makefiles lack."""
    return ("CXX=g++ LINK=g++ AR=ar PYTHON3=python3 PERL=perl CFG_CXXFLAGS_PCH_I=-include "
            "CFG_LDLIBS_THREADS=-lpthread CFG_CXXFLAGS_STD=-std=c++20")


@pytest.mark.parametrize("options", [
    pytest.param(QUICK[1], id="serial-ecp5"),
    *(pytest.param(options, id=name_of(options), marks=pytest.mark.slow)
      for options in (QUICK[0], *QUICK[2:], *ALL)),
])
def test_fusesoc_lints_and_simulates(tmp_path, user, options):
    one = product(**options)
    write_folder(tmp_path / "X", one.files())
    for target in ("lint", "sim"):
        done = user.fusesoc(tmp_path / "X", one.name, target)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "sums as they must be" in done.stdout + done.stderr


@pytest.mark.parametrize("options", [
    pytest.param(options, id=name_of(options)) for options in (
        {"format": "2hot@6", "inputs": 1},  # bits of a weight that no level sets
        {"format": "int8", "inputs": 1, "style": "rows"},  # subtracts
        {"format": "binary", "inputs": 1},  # one bit
        {"format": "ternary", "inputs": 1, "filters": 1, "pixels": 1, "words": 2},  # full
    )
])
def test_what_a_product_has_that_others_have_not_lints(tmp_path, user, options):
    one = product(**options)
    write_folder(tmp_path / "X", one.files())
    done = user.fusesoc(tmp_path / "X", one.name, "lint")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_lint_still_warns(tmp_path, user):
    """The waivers let pass what is stated, not everything."""
    one = product(**QUICK[0])
    files = one.files()
    files[f"{one.name}.v"] = files[f"{one.name}.v"].replace(
        b"endmodule", b"  wire [3:0] forgotten = i_w;\nendmodule"
    )
    write_folder(tmp_path / "X", files)
    done = user.fusesoc(tmp_path / "X", one.name, "lint")
    assert done.returncode
    text = done.stdout + done.stderr
    assert "WIDTHTRUNC" in text
    assert "'forgotten'" in text


SMALL = EngineConfig(
    filters=1, inputs=1, activation_words=64, weight_words=64, requant_words=16, program_words=64
)
ENGINES = [
    EngineConfig(), EngineConfig(format="signed-binary/8", pixels=2, filters=4, inputs=8),
    EngineConfig(format="3hot", lane="serial", filters=8, inputs=4, requantisers=2),
    EngineConfig(format="int4", filters=2, inputs=2),
]


@pytest.mark.parametrize("config", [
    pytest.param(SMALL, id="small"),
    *(pytest.param(config, id=config.format, marks=pytest.mark.slow) for config in ENGINES),
])
def test_fusesoc_lints_and_simulates_engines(tmp_path, user, config):
    one = EngineProduct(config)
    write_folder(tmp_path / "X", one.files())
    for target in ("lint", "sim"):
        done = user.fusesoc(tmp_path / "X", one.name, target)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "answers as they must be" in done.stdout + done.stderr


def test_session_notices_a_fault(tmp_path, user):
    one = EngineProduct(SMALL)
    write_folder(tmp_path / "X", one.files())
    plant(tmp_path / "X" / f"{one.name}.v", lost="24'hfff")  # rounding hides the lowest
    done = user.fusesoc(tmp_path / "X", one.name, "sim")
    assert done.returncode
    assert "Byte of step" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("family", ["portable", "ecp5"])
@pytest.mark.parametrize("config", [SMALL, *ENGINES], ids=lambda config: config.format)
def test_make_passes_on_engines_without_nhot(tmp_path, user, config, family):
    write_folder(tmp_path / "X", EngineProduct(config, family=family).files())
    done = user.make(tmp_path / "X")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "TESTS=3 PASS=3 FAIL=0 SKIP=0" in done.stdout

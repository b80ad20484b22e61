"""The page: one function a section, each of which returns HTML or nothing."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from nhot.report.charts import cycles_chart, levels_chart
from nhot.report.pictures import data_uri
from nhot.report.schema import check
from nhot.report.table import meter, number, section, table, tile

__all__ = ["render"]

Report = dict[str, Any]

PICTURES = 40  # more misclassified pictures than this are only counted


def render(report: Report) -> str:
    """Return the HTML page of ``report``, whose form :mod:`nhot.report.schema` describes.

    The page needs no other file and no network. Equal data give equal pages.
    """
    check(report)
    sections = (_header, _tiles, _accuracy, _builds, _layers, _levels, _pictures, _environment)
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    body = "\n".join(text for text in (make(report) for make in sections) if text)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report['title'])}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _header(report: Report) -> str:
    network = report.get("network", {})
    facts = [network.get("name"), network.get("format"), report.get("run", {}).get("target")]
    line = report.get("subtitle") or " · ".join(fact for fact in facts if fact)
    text = f"<h1>{escape(report['title'])}</h1>"
    return f"<header>{text}{f'<p>{escape(line)}</p>' if line else ''}</header>"


def _tiles(report: Report) -> str:
    tiles = []
    if report.get("accuracy"):
        last = report["accuracy"][-1]
        share = last["correct"] / max(last["total"], 1)
        tiles.append(tile(f"{share:.2%}", f"accuracy, {last['stage']}"))
    if "identical" in report:
        same = report["identical"]
        kind = "good" if same["count"] == same["total"] else "bad"
        what = same.get("what", "answers equal to the reference")
        tiles.append(tile(f"{number(same['count'])} of {number(same['total'])}", what, kind))
    if "run" in report:
        run = report["run"]
        tiles.append(tile(number(run["cycles"]), "cycles per image"))
        if run.get("clock_hz"):
            rate = run["clock_hz"] / max(run["cycles"], 1)
            tiles.append(tile(number(rate), f"images/s at {run['clock_hz'] / 1e6:g} MHz"))
    network = report.get("network", {})
    for key, what in (("weight_bits", "bits per weight"),
                      ("terms_per_weight", "shift-adds per weight"), ("macs", "MACs per image")):
        if key in network:
            tiles.append(tile(number(network[key]), what))
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _accuracy(report: Report) -> str:
    rows = [
        (escape(entry["stage"]), meter(entry["correct"] / max(entry["total"], 1)),
         f"{entry['correct'] / max(entry['total'], 1):.2%}",
         f"{number(entry['correct'])} of {number(entry['total'])}")
        for entry in report.get("accuracy", ())
    ]
    return section("Accuracy", table(("stage", "", "accuracy", "correct"), rows, numeric=(2, 3)))


def _builds(report: Report) -> str:
    def of(entry: Report, key: str) -> str:
        if key not in entry:
            return ""
        available = entry.get(f"{key}_available")
        share = f" ({entry[key] / available:.0%})" if available else ""
        return number(entry[key]) + share

    rows = [
        (escape(entry["board"]), escape(entry.get("configuration", "")), of(entry, "luts"),
         of(entry, "memories"), of(entry, "dsps"), of(entry, "fmax_mhz"), of(entry, "clock_mhz"))
        for entry in report.get("builds", ())
    ]
    heads = ("board", "configuration", "LUTs", "memories", "DSPs", "Fmax (MHz)", "clock (MHz)")
    return section("Bitstreams", table(heads, rows, numeric=range(2, 7)))


def _layers(report: Report) -> str:
    layers = report.get("layers", [])
    keys = ("macs", "weights", "terms", "cycles_predicted", "cycles_measured", "stalls")
    heads = ("layer", "operator", "MACs", "weights", "shift-adds", "predicted cycles",
             "measured cycles", "stalls")
    rows = [
        (escape(layer["name"]), escape(layer.get("operator", "")),
         *(number(layer[key]) if key in layer else "" for key in keys))
        for layer in layers
    ]
    chart = ""
    predicted = [layer.get("cycles_predicted") for layer in layers]
    measured = [layer.get("cycles_measured") for layer in layers]
    if any(value is not None for value in predicted + measured):
        chart = cycles_chart("cycles", [layer["name"] for layer in layers], predicted, measured)
    return section("Layers", chart + table(heads, rows, numeric=range(2, 8)) if rows else "")


def _levels(report: Report) -> str:
    charts = [
        levels_chart(f"levels{index}", " · ".join(filter(None, (entry["layer"],
                     entry.get("format")))), entry["levels"], entry["counts"])
        for index, entry in enumerate(report.get("levels", ()))
    ]
    return section(
        "Weights on their levels", f'<div class="charts">{"".join(charts)}</div>' if charts else "",
        "Marks below the bars are the levels that the format has; no weight lies elsewhere.",
    )


def _pictures(report: Report) -> str:
    entries = report.get("misclassified", [])
    figures = []
    for entry in entries[:PICTURES]:
        white = entry.get("white") or max(max(row) for row in entry["pixels"])
        label, answer = escape(str(entry["label"])), escape(str(entry["answer"]))
        where = f"<br>no. {number(entry['index'])}" if "index" in entry else ""
        figures.append(
            f'<figure><img src="{data_uri(entry["pixels"], white)}" alt="a {label}">'
            f"<figcaption>{label} read as <b>{answer}</b>{where}</figcaption></figure>"
        )
    left = len(entries) - len(figures)
    note = f"The first {len(figures)}; {left} more are not shown." if left else ""
    return section(
        "Wrong answers", f'<div class="pictures">{"".join(figures)}</div>' if figures else "", note,
    )


def _environment(report: Report) -> str:
    rows = [
        (escape(str(name)), f"<code>{escape(str(value))}</code>")
        for name, value in report.get("environment", {}).items()
    ]
    made = f"<footer>{escape(report['created'])}</footer>" if report.get("created") else ""
    return section("Made with", table(("", ""), rows)) + made

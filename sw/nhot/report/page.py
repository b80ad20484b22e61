"""The page: one entry, or several side by side and then each in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nhot.report.comparison import comparison, names
from nhot.report.schema import Entry, Report
from nhot.report.sections import entry_sections
from nhot.report.table import plain

__all__ = ["articles", "document", "header", "render"]


def render(report: Report, title: str = "") -> str:
    """Return ``report`` as an HTML page that needs no other file, no network and no script.

    Equal data give equal pages. Without a title it is the name of what is shown.
    """
    entries = report.entries
    title = title or _title(entries)
    if len(entries) == 1:
        body = header(title, "h1", _line(entries[0])) + entry_sections(entries[0])
    else:
        body = header(title, "h1", "") + comparison(entries) + articles(names(entries), entries)
    return document(title, body)


def document(title: str, body: str) -> str:
    """The page with the content ``body``, which is HTML."""
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{plain(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _title(entries: Sequence[Entry]) -> str:
    if len(entries) == 1:
        return entries[0].name
    return f"{len(entries)} networks side by side" if entries else "An empty report"


def header(title: str, tag: str, line: str) -> str:
    """A heading with a line below."""
    text = f"<{tag}>{plain(title)}</{tag}>"
    return f"<header>{text}{f'<p>{plain(line)}</p>' if line else ''}</header>"


def _line(entry: Entry) -> str:
    """What it is, in a line: formats, engine, date."""
    network, image, build = entry.network, entry.image, entry.build
    formats = dict.fromkeys(one.format for one in network.layers if one.format) if network else {}
    engine = ""
    if image is not None:
        engine = f"{image.board} {image.configuration}".strip() or f"engine {image.target_id}"
    elif build is not None:
        engine = f"{build.board} {build.configuration}"
    parts = (entry.training, entry.quantized, entry.image, entry.verified, *entry.runs,
             *entry.evaluated, *entry.compared)
    dates = [part.made.date for part in parts if part and part.made]
    date = max(dates, default="")[:10]
    return " · ".join(one for one in (", ".join(formats), engine, date) if one)


def articles(called: Sequence[str], entries: Sequence[Entry]) -> str:
    """Each entry in full under its name; they are ``#entry0``, ``#entry1``, ..."""
    return "\n".join(
        f'<article id="entry{index}">{header(name, "h2", _line(entry))}{entry_sections(entry)}'
        "</article>" for index, (name, entry) in enumerate(zip(called, entries, strict=True))
    )

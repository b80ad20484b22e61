"""What the documents point at is there: paths, links, headings; and the map has every room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nhot.contract.program import WORDS

ROOT = Path(__file__).parent.parent
PAGES = sorted([
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/engine/*.md"),
    *ROOT.glob("bitstreams/*.md"),
])
PATH = re.compile(
    r"`((?:sw|hw|sim|tests|tools|docs|examples|scripts|bitstreams)/[\w./-]*[\w-]/?)`"
)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
PACKAGES = ("sw/nhot", "hw/nhot_hw", "sim/nhot_sim")
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The headings of a page as its links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_paths_are_there(name):
    named = [path for path in PATH.findall(text_of(name)) if "NAME" not in path]
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for link in LINK.findall(text_of(name)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), link
        if anchor:
            assert anchor in anchors(page), link


def test_the_map_has_every_room():
    rooms = {
        path.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES for path in (ROOT / package).glob("*/*.*")
        if path.parent.name != "__pycache__"
    }
    assert rooms == {room for room in PATH.findall(text_of("docs/map.md"))
                     if room.count("/") == 2 and "." not in room}


def test_the_table_of_a_descriptor_has_every_field_at_its_place():
    rows = re.findall(r"^\| (\d+) \| ([a-z_]+ \d+(?:, [a-z_]+ \d+)*) \|$", text_of("docs/image.md"),
                      re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(len(WORDS)))
    assert [fields for _, fields in rows] == [
        ", ".join(f"{name} {bits}" for name, bits in word.items()) for word in WORDS
    ]

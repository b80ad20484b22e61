"""Files of JSON: what is in them is what their form says, or one line says why not."""

from dataclasses import dataclass, field

import pytest

from nhot.errors import NhotError
from nhot.printable import printable, shortened
from nhot.schema import check_values, parse_json, read_json

NASTY = "a\x1b[31m\nb\u202ec\ud800"


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    sizes: tuple[int, int, int] = (1, 2, 3)
    ratio: float = 0.5

    def __post_init__(self):
        if self.ratio < 0:
            raise NhotError(f"Part ratio must be 0 or more, not {self.ratio}")


@dataclass(frozen=True, kw_only=True)
class Thing:
    version: int = 1
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = field(default_factory=dict)
    mixed: int | str = 0
    flag: bool = False
    free: dict[str, object] = field(default_factory=dict)


def test_reads_what_it_should():
    text = ('{"version": 1, "parts": [{"name": "a", "sizes": [4, 5, 6], "ratio": 2}],'
            ' "by_name": {"b": {"name": "é"}}, "mixed": "x", "flag": true}')
    assert parse_json(Thing, text.encode(), "Thing") == Thing(
        parts=(Part(name="a", sizes=(4, 5, 6), ratio=2.0),), by_name={"b": Part(name="é")},
        mixed="x", flag=True,
    )


DEEP = 100_000
REFUSED = [
    ("null", "Thing must be an object, not None"),
    ("[]", r"Thing must be an object, not \[\]"),
    ("5", "Thing must be an object, not 5"),
    ("", "Thing must be JSON: EOF"),
    ("{", "Thing must be JSON: EOF"),
    ("{} {}", "Thing must be JSON: trailing characters"),
    ("\ufeff{}", "Thing must be JSON: expected value"),
    ("[" * DEEP, "Thing must be JSON: recursion limit"),
    ('{"free": {"x": ' + "[" * DEEP, "Thing must be JSON: recursion limit"),
    ('{"a":' * DEEP, "Thing must be JSON: recursion limit"),
    ('{"mixed": "\\ud800"}', "Thing must be JSON: .*hex escape"),
    ('{"flag": 1}', "Thing flag must be true or false, not 1"),
    ('{"flag": null}', "Thing flag must be true or false, not None"),
    ('{"version": 1.0}', r"Thing version must be a whole number, not 1\.0"),
    ('{"version": true}', "Thing version must be a whole number, not True"),
    ('{"version": 1e400}', "Thing version must be a whole number, not inf"),
    ('{"version": "1"}', "Thing version must be a whole number, not '1'"),
    ('{"version": 1' + "0" * 400 + "}", r"Thing must have whole numbers of at most 64 bits, not 1"),
    ('{"version": 1' + "0" * 5000 + "}", "Thing must be JSON: number out of range"),
    ('{"free": {"x": -9223372036854775809}}', "64 bits, not -9223372036854775809"),
    ('{"free": {"x": [1e400]}}', "Thing must have finite numbers, not 1e400"),
    ('{"free": {"x": [NaN]}}', "Thing must have finite numbers, not NaN"),
    ('{"parts": {}}', r"Thing parts must be a list, not \{\}"),
    ('{"parts": [{"name": "a", "ratio": NaN}]}', r"parts\[0\]\.ratio must be a finite number, not"),
    ('{"parts": [{"name": "a", "ratio": -Infinity}]}', r"ratio must be a finite number, not -inf"),
    ('{"parts": [{"name": "a", "ratio": 1e400}]}', r"parts\[0\]\.ratio must be a finite number"),
    ('{"parts": [{"name": "a", "sizes": [1, 2]}]}', r"parts\[0\]\.sizes must have more entries th"),
    ('{"parts": [{"name": "a", "sizes": [1, 2, 3, 4]}]}', r"sizes must have at most 3 entries"),
    ('{"parts": [{"name": "a", "sizes": [1, 2, "3"]}]}', r"sizes\[2\] must be a whole number, not"),
    ('{"parts": [{"name": "a"}, {}]}', r"parts\[1\] must have the field 'name', which is miss"),
    ('{"parts": [{"name": "a", "b": 1}]}', r"parts\[0\] must have known fields only, not 'b'"),
    ('{"parts": [{"name": "a", "ratio": -1}]}', r"parts\[0\]: Part ratio must be 0 or more, not -"),
    ('{"by_name": {"k": {"name": []}}}', r"Thing by_name\.k\.name must be text, not \[\]"),
    ('{"by_name": {"k\\u001b": 0}}', r"Thing by_name\.k\\x1b must be an object, not 0"),
    ('{"mixed": []}', r"Thing mixed must be a whole number or be text, not \[\]"),
    ('{"format": 5}', "Thing must have the fields version, parts, .*, not 'format'"),
    ('{"\\u001b[31m": 5}', r"Thing must have the fields .*, not '\\x1b\[31m'"),
    ('{"version": 1, "version": 1}', "have each name once in an object, not 'version' twice"),
    ('{"free": {"x": [{"y": 1, "y": 2}]}}', "have each name once in an object, not 'y' twice"),
    ('{"flag": "' + "x" * 10**6 + '"}', "Thing flag must be true or false, not 'xx"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refuses_in_one_short_line(text, message):
    with pytest.raises(NhotError, match=message) as caught:
        parse_json(Thing, text.encode(), "Thing")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "data", [b"\xff", b'{"mixed": "\xed\xa0\x80"}', "{}".encode("utf-16"), b"\0"]
)
def test_refuses_other_encodings(data):
    with pytest.raises(NhotError, match="Thing must be JSON"):
        parse_json(Thing, data, "Thing")


def test_another_version_is_told_before_anything_else():
    with pytest.raises(NhotError, match=r"Thing version must be 1, not 2; it needs a newer nhot$"):
        parse_json(Thing, b'{"version": 2, "colour": "red"}', "Thing", version=1)
    with pytest.raises(NhotError, match=r"Thing version must be 1, not 0$"):
        parse_json(Thing, b'{"version": 0, "flag": 7}', "Thing", version=1)
    with pytest.raises(NhotError, match="Thing must have the field 'version', which is missing"):
        parse_json(Thing, b"{}", "Thing", version=1)


@dataclass(frozen=True)
class Careless:
    size: int | str

    def __post_init__(self):
        if self.size < 0 or float(self.size) > 9:
            raise NhotError("Size must be 0 to 9")


@pytest.mark.parametrize(("size", "message"), [
    ('"a"', "Thing: '<' not supported between"),
    ("1" + 400 * "0", "Thing: int too large to convert to float"),
])
def test_a_check_that_fails_itself_is_no_traceback(size, message):
    with pytest.raises(NhotError, match=message):
        parse_json(Careless, f'{{"size": {size}}}'.encode(), "Thing")


def test_values_are_judged_as_a_file_would_be():
    assert check_values(Part, {"name": "a", "sizes": (1, 2, 3)}, "Part") == Part(name="a")
    for value, message in (
        ({"name": object()}, "Part must hold what JSON can"), ({"name": 1}, "Part name must be"),
        ({"name": "a", "ratio": float("nan")}, "Part ratio must be a finite number"),
        ({"name": "\ud800"}, "Part must be JSON"),
    ):
        with pytest.raises(NhotError, match=message):
            check_values(Part, value, "Part")


def test_files(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"name": "a"}', encoding="utf-8")
    assert read_json(Part, path, "Part") == Part(name="a")
    with pytest.raises(NhotError, match=r"^Part '.*a.json' must have at most 12 bytes, not more$"):
        read_json(Part, path, "Part", most_bytes=12)
    with pytest.raises(NhotError, match=r"^Part '.*' could not be read: No such file or directory"):
        read_json(Part, tmp_path / "b.json", "Part")
    with pytest.raises(NhotError, match=r"^Part '.*' could not be read: Is a directory"):
        read_json(Part, tmp_path, "Part")
    with pytest.raises(NhotError, match=r"^Part 'a\\x00b' could not be read: embedded null byte"):
        read_json(Part, "a\0b", "Part")
    with pytest.raises(NhotError, match=r"^Part '/dev/zero' must have at most 1,000 bytes"):
        read_json(Part, "/dev/zero", "Part", most_bytes=1000)


def test_text_is_printed_on_one_line():
    assert printable("plain é ×") == "plain é ×"
    assert printable(NASTY) == r"a\x1b[31m\nb\u202ec\ud800"
    for value in (NASTY, [NASTY] * 99, {NASTY: {1: {2: {3: {4: NASTY}}}}}, "x" * 10**6, 10**400):
        assert shortened(value).isprintable()
        assert len(shortened(value)) < 300

"""Arrays from files: the numbers that numpy wrote, or one line, before memory is taken."""

import io
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from datetime import datetime

import numpy as np
import pytest

from nhot import arrays
from nhot.arrays import read_npy, read_npz
from nhot.errors import NhotError
from nhot.experiments.data.arrays import load_npz

SOUND = [
    np.arange(24).reshape(2, 3, 4), np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    np.arange(6, dtype=">i2").reshape(3, 2), np.array(7), np.zeros((0, 5), np.float16),
    np.array([True, False]), np.arange(3, dtype=np.uint8),
]


def saved(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header(text, version=1, length=None, body=b""):
    """A .npy file with any header."""
    data = text.encode("latin1") + b"\n"
    count = len(data) if length is None else length
    packed = struct.pack("<H" if version == 1 else "<I", count)
    return b"\x93NUMPY" + bytes([version, 0]) + packed + data + body


def of(shape, descr="'<i8'", order="False", **options):
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}", **options)


@pytest.mark.parametrize("array", SOUND, ids=range(len(SOUND)))
def test_what_numpy_writes_is_read(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    read = read_npy(tmp_path / "x.npy", "Input")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", x=array, z=array)
        found, names = read_npz(tmp_path / "x.npz", "Data", ("x", "y"))
        assert names == ["x", "z"]
        assert list(found) == ["x"]
        np.testing.assert_array_equal(found["x"], array)


@pytest.mark.parametrize("version", [2, 3])
def test_newer_headers(tmp_path, version):
    (tmp_path / "x.npy").write_bytes(of("(2,)", version=version, body=bytes(16)))
    np.testing.assert_array_equal(read_npy(tmp_path / "x.npy", "Input"), [0, 0])


HUGE = 10**12
DAMAGED = [
    (b"", "it begins with b''"),
    (b"\x93NUMPY", r"it begins with b'.x93NUMPY'"),
    (b"\x93NUMPY\x04\x00" + bytes(99), "it begins with"),
    (saved(np.arange(9))[:-1], r"must have 72 bytes of int64 for its shape \(9,\), not 71"),
    (saved(np.arange(9)) + b"\0", r"must have 72 bytes of int64 for its shape \(9,\), not 73"),
    (saved(np.arange(9))[:100], "must be a .npy file of numbers: its header"),
    (of("(2,)", length=60000), "its header must have at most 10000 bytes, not 60000"),
    (of("(2,)", version=2, length=2**32 - 1), "at most 10000 bytes, not 4294967295"),
    (of(f"({HUGE},)"), rf"must have {8 * HUGE:,} bytes of int64 for its shape \({HUGE},\), not 0"),
    (of(f"({HUGE}, {HUGE}, {HUGE})"), r"000,000 bytes of int64 for its shape \(1000"),
    (of(f"(0, {HUGE}, {HUGE})"), "must be a .npy file of numbers"),
    (of(f"({HUGE}000,)"), "must have at most 16 axes of 0 to"),
    (of("(0, 10**30)".replace("10**30", str(10**30))), "axes of 0 to 1099511627776"),
    (of("(" + "1," * 99 + ")", body=bytes(8)), "must have at most 16 axes"),
    (of("(-1, -2)", body=bytes(16)), r"axes of 0 to 1099511627776, not \(-1, -2\)"),
    (of("(2.0,)"), "its header: shape is not valid"),
    (of("5"), "its header: shape is not valid"),
    (of("(2,)", descr="'|O'"), "must hold numbers, not dtype\\('O'\\)"),
    (of("(2,)", descr="'<U4'"), "must hold numbers, not dtype"),
    (of("(2,)", descr="'<M8[s]'"), "must hold numbers, not dtype"),
    (of("(2,)", descr="'<c16'"), "must hold numbers, not dtype"),
    (of("(2,)", descr="[('a', '<i4'), ('b', '<f4')]"), "must hold numbers, not dtype"),
    (of("(2,)", descr="'nonsense'"), "its header"),
    (of("(2,)", order="5"), "its header"),
    (header("{'descr': '<i8'}"), "its header"),
    (header("[" * 9000), "its header"),
    (header("-" * 9000 + "1"), "its header"),
    (header("{" * 4000 + "\x00"), "its header"),
    (header("__import__('os').system('touch ran')"), "its header"),
    (saved(np.array([None, {}]), allow_pickle=True), "must hold numbers, not dtype"),
    (saved(np.array([datetime(2026, 1, 1)], "M8[s]")), "must hold numbers"),
]


@pytest.mark.parametrize(("data", "message"), DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("packed", [False, True])
def test_anything_else_is_refused(tmp_path, monkeypatch, data, message, packed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_bytes(data)
    if packed:
        with zipfile.ZipFile(tmp_path / "x", "w") as archive:
            archive.writestr("x.npy", data)
    tracemalloc.start()
    try:
        with pytest.raises(NhotError, match=message) as caught:
            read_npz("x", "Data", ("x",)) if packed else read_npy("x", "Data")
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith("Array x of Data 'x' must" if packed else "Data 'x' must")
    assert not (tmp_path / "ran").exists()


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.arange(50))
    whole = path.read_bytes()
    cases = [b"", b"PK", whole[:-30], whole[:200], whole[50:], saved(np.arange(3))]
    for data in cases:
        path.write_bytes(data)
        with pytest.raises(NhotError, match=r"must be an? .*npz? file of numbers"):
            read_npz(path, "Data", ("x",))
    for position in range(len(whole)):  # never another array, never a traceback
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        with suppress(NhotError):
            found, _ = read_npz(path, "Data", ("x",))
            assert "x" not in found or (found["x"] == np.arange(50)).all()


def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_FREE", 1 << 20)
    path, size = tmp_path / "x.npz", 1 << 23
    start = of(f"({size},)", descr="'|u1'")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as file,
    ):
        file.write(start)
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(NhotError, match=r"Array x of .* must have at most [0-9,]+ bytes"):
        load_npz(path)


@pytest.mark.parametrize("path", ["absent", "a\0b", "."])
def test_files_that_are_not_there(path):
    for read in (lambda: read_npy(path, "Input"), lambda: read_npz(path, "Input", ("x",))):
        with pytest.raises(NhotError, match=r"^Input '.*' could not be read: "):
            read()


def test_an_endless_file(tmp_path):
    with pytest.raises(NhotError, match=r"Input '/dev/zero' must be a .npy file of numbers"):
        read_npy("/dev/zero", "Input")


def test_samples_alone_may_be_in_a_file_of_their_own(tmp_path):
    samples = np.random.default_rng(1).normal(size=(5, 2, 3, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", samples)
    x, y = load_npz(tmp_path / "x.npy")
    assert (x == samples).all()
    assert y is None
    np.save(tmp_path / "x.npy", samples[0, 0, 0])
    with pytest.raises(NhotError, match=r"Array x of .*x\.npy must be numbers .*, not float32 of"):
        load_npz(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"no array")
    with pytest.raises(NhotError, match=r"Data '.*x\.npy' must be a \.npy file of numbers"):
        load_npz(tmp_path / "x.npy")

"""Contents of block memories in an unpacked bitstream, found by what they are and replaced."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np

from nhot.errors import NhotError
from nhot_hw.families.family import Blocks

__all__ = ["replace_bits"]


def replace_bits(
    text: str, blocks: Blocks, columns: Sequence[np.ndarray], old: np.ndarray, new: np.ndarray
) -> str:
    """``text`` with bits ``new`` wherever a block memory has a column of the bits ``old``.

    Synthesis cuts memories into blocks of one of a few widths, with bits and parts in any order,
    but a bit of ``blocks.rows`` words lies in one column of one block (what icebram and ecpbram
    build on, too). A block is taken only where all that it holds is known, as it is by the true
    width and stride alone.

    Parameters
    ----------
    columns : (columns, rows) int, for each of ``blocks.strides``
        The bits of each column. A column that is like another one is not looked for.
    old, new : (bits + 1,) of 0 and 1
        The last of each is 0.

    Raises
    ------
    NhotError
        Some of ``old`` is nowhere.
    """
    known = [_unlike(one, old) for one in columns]
    empty = bytes(blocks.rows)
    found = np.zeros(len(old), bool)
    found[-1] = True

    def replace(match: re.Match[str]) -> str:
        bits = _bits(match[2].split(), blocks.number_bits)
        for places, table in product(blocks.columns, known):
            keys = [column.tobytes() for column in bits[places]]
            held = {row: table[key] for row, key in enumerate(keys) if key in table}
            if held and all(row in held or key == empty for row, key in enumerate(keys)):
                for row, column in held.items():
                    bits[places[row]] = new[column]
                    found[column] = True
                return match[1] + _fill(match[2], bits)
        return match[0]

    block = re.compile(
        rf"^({re.escape(blocks.begin)}[^\n]*\n)((?:[0-9a-f]+[ \n])+)", re.MULTILINE
    )
    patched = block.sub(replace, text)
    if not found.all():
        raise NhotError(
            f"Bitstream must hold the placeholders of all {len(old) - 1:,} bits of its memories, "
            f"not of {found.sum() - 1:,}"
        )
    return patched


def _unlike(columns: np.ndarray, bits: np.ndarray) -> dict[bytes, np.ndarray]:
    """Each column by its bits, but for those that several have, and zeros."""
    keys = [column.tobytes() for column in bits[columns]]
    counts = Counter(keys)
    return {
        key: column for key, column in zip(keys, columns, strict=True)
        if counts[key] == 1 and any(key)
    }


def _bits(numbers: list[str], size: int) -> np.ndarray:
    """All bits of a block, those of the first number first."""
    data = b"".join(int(number, 16).to_bytes(-(-size // 8), "little") for number in numbers)
    rows = np.frombuffer(data, np.uint8).reshape(len(numbers), -1)
    return np.unpackbits(rows, axis=1, bitorder="little")[:, :size].reshape(-1)


def _fill(text: str, bits: np.ndarray) -> str:
    """``text`` with other numbers in the place of those that it has."""
    count = len(text.split())
    rows = np.packbits(bits.reshape(count, -1), axis=1, bitorder="little")
    numbers = iter(rows)

    def number(match: re.Match[str]) -> str:
        value = int.from_bytes(next(numbers).tobytes(), "little")
        return f"{value:0{len(match[0])}x}"

    return re.sub("[0-9a-f]+", number, text)

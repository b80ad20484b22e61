"""Weight formats: levels, rounding and both encodings."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.formats import (
    AdditivePowers,
    Binary,
    NHot,
    OpenTable,
    SignedBinary,
    Table,
    Uniform,
    naf_weight,
    parse,
    sum_terms,
)

FORMATS = [
    *(NHot(bits=8, n=n) for n in (1, 2, 3, 4)), NHot(bits=6, n=2), NHot(bits=5, n=2),
    NHot(bits=4, n=1), NHot(bits=2, n=1), NHot(bits=2, n=2), NHot(bits=12, n=3),
    *(Uniform(bits=bits) for bits in (2, 3, 4, 8, 10)), SignedBinary(),
    SignedBinary(tile=16), Binary(), NHot(bits=8, n=2, subtract=False),
    NHot(bits=6, n=1, subtract=False),
    *(AdditivePowers(bits=bits) for bits in range(2, 8)),
    Table(of=NHot(bits=8, n=2), magnitudes=(0, 9, 18, 28, 40, 56, 72, 96)),
    Table(of=NHot(bits=6, n=2, subtract=False), magnitudes=(0, 1, 6, 24)),
]
N_HOT = [fmt for fmt in FORMATS if isinstance(fmt, NHot)]

each_format = pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
each_n_hot = pytest.mark.parametrize("fmt", N_HOT, ids=lambda fmt: fmt.name)


@pytest.mark.parametrize(
    ("bits", "n", "levels"),
    [(8, 1, 15), (8, 2, 87), (8, 3, 207), (8, 4, 255), (6, 2, 43), (5, 2, 27), (2, 1, 3)],
)
def test_level_counts(bits, n, levels):
    assert len(NHot(bits=bits, n=n).levels) == levels


@pytest.mark.parametrize(
    ("name", "code_bits", "field_bits", "max_terms"),
    [
        ("1hot", 4, 5, 1), ("2hot", 7, 8, 2), ("3hot", 8, 12, 3), ("4hot", 8, 16, 4),
        ("2hot@6", 6, 8, 2), ("ternary", 2, 2, 1), ("signed-binary", 1, 1, 1), ("int8", 8, 8, 4),
        ("int4", 4, 4, 2), ("binary", 1, 1, 1), ("signed-binary/16", 1, 1, 1),
        ("2hot+", 6, 8, 2), ("apot4", 4, 5, 2), ("apot5", 5, 7, 2),
        ("apot6", 6, 8, 3), ("apot7", 7, 10, 3),
        ("2hot/0-9-18-28-40-56-72-96", 4, 4, 2), ("3hot/0-1-2-11", 3, 3, 3),
    ],
)
def test_sizes(name, code_bits, field_bits, max_terms):
    fmt = parse(name)
    assert (fmt.code_bits, fmt.field_bits, fmt.max_terms) == (code_bits, field_bits, max_terms)


@each_format
def test_levels_are_sorted_and_sealed(fmt):
    assert (np.diff(fmt.levels) > 0).all()
    assert fmt.levels.dtype == np.int64
    assert 0 in fmt.levels or isinstance(fmt, Binary)
    assert fmt.max_level == max(fmt.levels)
    with pytest.raises(ValueError, match="read-only"):
        fmt.levels[0] = 0


@each_n_hot
def test_n_hot_levels_by_brute_force(fmt):
    limit, signs = 2 ** (fmt.bits - 1) - 1, (1, -1) if fmt.subtract else (1,)
    sums = {0}
    for _ in range(fmt.n):
        sums |= {v + s * 2**e for v in sums for s in signs for e in range(fmt.bits)}
    sums |= {-v for v in sums}
    assert fmt.levels.tolist() == sorted(v for v in sums if abs(v) <= limit)


@each_format
def test_names_read_back(fmt):
    assert parse(fmt.name) == fmt
    assert hash(parse(fmt.name)) == hash(fmt)


def test_second_names():
    assert parse("1hot@2") == parse("ternary")
    assert parse("2hot@8") == parse("2hot")
    assert parse("pot4") == parse("1hot")
    assert parse("pot2") == parse("ternary")


@pytest.mark.parametrize(
    "name", ["", "hot", "0hot", "02hot", "2HOT", "2hot@", "2hot@08", "int", "int08", " 2hot",
             "2hot\n", "int" + "9" * 5000, "٢hot", "pot6", "apot", "signed-binary/0",
             "2hot/", "2hot/016", "2hot/16\n", "2hot/0-1-2-4-", "2hot/0-01-2-4", "2hot/-1",
             "2hot/0-1-2-999999", "int8/16", "ternary/8"],
)
def test_unknown_names(name):
    with pytest.raises(NhotError, match="Format must be one of"):
        parse(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [("9hot", "n of an n-hot format must be 1 to its bits"), ("2hot@17", "2 to 16, not 17"),
     ("int1", "2 to 16, not 1"), ("1hot@1", "2 to 16, not 1"), ("apot8", "2 to 7, not 8"),
     ("9hot+", "n of an n-hot format must be 1 to its bits"),
     ("2hot/12", "Codes of a table must be one of 8, 16, 32, not 12"),
     ("2hot/0-1", "Codes of a table must be one of 8, 16, 32, not 4"),
     ("2hot/0-1-2-11", "Magnitudes of a table must be levels of 2hot, not 11"),
     ("2hot/0-1-2-192", "Magnitudes of a table must be levels of 2hot, not 192"),
     ("2hot/0-4-2-8", "Magnitudes of a table must ascend from 0, not be 0-4-2-8"),
     ("2hot/0-4-4-8", "Magnitudes of a table must ascend from 0, not be 0-4-4-8"),
     ("1hot/32", "Magnitudes of a table must be at most the 8 of 1hot, not 16"),
     ("2hot@9/16", "Bits of the levels of a table must be at most 8, not 9")],
)
def test_names_out_of_range(name, text):
    with pytest.raises(NhotError, match=text):
        parse(name)


def test_wrong_kinds():
    with pytest.raises(TypeError, match="must be integers"):
        NHot(bits=8.0, n=2)
    with pytest.raises(TypeError, match="must be an integer"):
        Uniform(bits="8")
    with pytest.raises(TypeError, match=r"Bits must be an integer, not 4\.0"):
        AdditivePowers(bits=4.0)
    with pytest.raises(TypeError, match="Tile must be an integer, not None"):
        SignedBinary(tile=None)
    with pytest.raises(TypeError, match=r"Magnitudes must be a tuple of integers, not \[0\]"):
        Table(of=NHot(bits=8, n=2), magnitudes=[0])
    with pytest.raises(TypeError, match=r"Codes must be an integer, not 16\.0"):
        OpenTable(of=NHot(bits=8, n=2), codes=16.0)
    with pytest.raises(TypeError, match="must be a name"):
        parse(8)


def nearest_by_hand(fmt, value):
    """The nearest level, the one nearer to zero of two equally near; of -1 and 1, the latter."""
    distance = np.abs(value - fmt.levels)
    return int(min(fmt.levels[distance == distance.min()][::-1], key=abs))


@each_format
def test_nearest_on_a_fine_grid(fmt):
    # Eighths hit every tie between two integers exactly.
    limit = min(fmt.max_level + 3, 135)
    values = np.arange(-8 * limit, 8 * limit + 1) / 8
    expected = [nearest_by_hand(fmt, value) for value in values]
    assert fmt.nearest(values).tolist() == expected


@each_format
def test_nearest_ties(fmt):
    ties = (fmt.levels[1:] + fmt.levels[:-1]) / 2
    expected = [nearest_by_hand(fmt, tie) for tie in ties]
    assert fmt.nearest(ties).tolist() == expected


@each_format
@given(value=st.floats(allow_nan=False))
def test_nearest_of_any_float(fmt, value):
    rounded = int(fmt.nearest(value))
    assert rounded in fmt.levels
    if value == 0 or 1e-9 < abs(value) < 1e6:  # else a double does not hold the distances
        assert rounded == nearest_by_hand(fmt, value)


@each_format
def test_nearest_keeps_levels_and_saturates(fmt):
    assert (fmt.nearest(fmt.levels) == fmt.levels).all()
    assert fmt.nearest([[np.inf, -np.inf]]).tolist() == [[fmt.levels[-1], fmt.levels[0]]]
    with pytest.raises(NhotError, match="not NaN"):
        fmt.nearest([1.0, np.nan])


def steps_of(fmt):
    """Every level of a format, as steps of one sign each if it has one a step. (steps, S)"""
    if fmt.sign_codes:
        return np.array([[1, 1, 0], [0, -1, -1], [0, 0, 0], [-1, 0, 0]])
    return np.resize(fmt.levels, (-(-len(fmt.levels) // 3), 3))


@each_format
def test_codes_round_trip(fmt):
    steps = steps_of(fmt)
    codes = fmt.encode(steps)
    assert codes.shape == (len(steps), 3 + fmt.sign_codes)
    assert 0 <= codes.min() <= codes.max() < 2**fmt.code_bits
    assert set(codes.reshape(-1).tolist()) == set(range(len(fmt.field_table)))
    assert (fmt.decode(codes) == steps).all()
    shaped = np.resize(steps, (2, 5, 1, 3))
    assert (fmt.decode(fmt.encode(shaped)) == shaped).all()


@each_format
def test_codes_that_stand_for_nothing(fmt):
    for code in (-1, len(fmt.field_table), 2**62):
        with pytest.raises(NhotError, match=rf"index \(1,\) must be below .*, not {code}"):
            fmt.decode([0, code])


@each_format
def test_each_level_has_a_field_of_its_own(fmt):
    steps = steps_of(fmt)
    fields = fmt.to_fields(steps)
    assert 0 <= fields.min() <= fields.max() < 2**fmt.field_bits
    assert len(set(fmt.field_table.tolist())) == len(fmt.field_table)


@each_n_hot
def test_what_a_field_means(fmt):
    """Reading the sign and shift pairs as a lane does gives the level."""
    shift_bits = fmt.max_shift.bit_length()
    for level in fmt.levels.tolist():
        field, total, negative = int(fmt.to_fields(level)), 0, 0
        for _ in range(fmt.n):
            shift = field & ((1 << shift_bits) - 1)
            sign = field >> shift_bits & 1
            field >>= shift_bits + 1
            total += -(1 << shift) if sign else 1 << shift
            negative += sign
        if fmt.n == 1 and not field & 1:  # the non-zero flag
            total = negative = 0
        assert total == level
        assert int(fmt.inverted_terms([level])) == negative


@each_n_hot
def test_inverted_terms_are_what_a_lane_leaves_out(fmt):
    """A lane adds ``~x << shift`` as ``~(x << shift)``, one less for each negative term."""
    for x in (-128, -1, 0, 77, 127):
        for level in fmt.levels.tolist():
            terms = fmt.field_terms(level)
            lane = sum(x << e if sign > 0 else ~(x << e) for sign, e in terms)
            assert lane + int(fmt.inverted_terms([level])) == level * x


def test_binary_inverts_where_its_field_is_set():
    fmt = Binary()
    assert fmt.to_fields([-1, 1]).tolist() == [1, 0]
    assert fmt.inverted_terms([[-1, 1], [-1, -1], [1, 1], [0, -1]]).tolist() == [1, 2, 0, 1]


@each_format
def test_no_weight_is_the_level_nearest_to_zero(fmt):
    """What is a level stays."""
    least = 1 if isinstance(fmt, Binary) else 0
    assert fmt.filled([[0, fmt.max_level], [fmt.max_level, 0]]).tolist() == [
        [least, fmt.max_level], [fmt.max_level, least]
    ]
    assert fmt.contains(fmt.filled([0])).all()


@pytest.mark.parametrize("fmt", [Uniform(bits=8), SignedBinary()], ids=lambda fmt: fmt.name)
def test_others_invert_nothing(fmt):
    assert (fmt.inverted_terms(fmt.levels) == 0).all()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_uniform_field_is_twos_complement(bits):
    fmt = Uniform(bits=bits)
    fields = fmt.to_fields(fmt.levels)
    signed = np.where(fields >= 2 ** (bits - 1), fields - 2**bits, fields)
    assert (signed == fmt.levels).all()


@each_format
def test_terms_and_cost(fmt):
    for level in fmt.levels.tolist():
        terms = fmt.terms(level)
        assert sum_terms(terms) == level
        assert len(terms) == naf_weight(level) == int(fmt.cost(level))
        assert len(terms) <= fmt.max_terms


def test_values_that_are_no_levels():
    fmt = NHot(bits=8, n=2)
    for what in (fmt.encode, fmt.to_fields, fmt.cost, fmt.inverted_terms):
        for bad in (11, -128, 128, 0.5, 2**40):
            with pytest.raises(NhotError, match=r"index \(0, 1\) must be a level of 2hot, not"):
                what([[1, bad]])
    assert fmt.contains([[11, 12], [-127, 128]]).tolist() == [[False, True], [True, False]]


@each_format
def test_folded_signs_multiply_back(fmt):
    weights = np.stack([fmt.levels, fmt.levels[::-1]])
    if isinstance(fmt, SignedBinary):
        weights[1] *= -1
    levels, signs = fmt.fold_signs(weights)
    assert (levels * signs[:, None] == weights).all()
    assert fmt.contains(levels).all()


def test_additive_powers_are_those_of_the_source():
    positive = {bits: AdditivePowers(bits=bits).levels[2 ** (bits - 1) - 1 :] for bits in (3, 4, 5)}
    assert positive[3].tolist() == [0, 1, 2, 4]
    assert positive[4].tolist() == [0, 1, 2, 3, 4, 6, 8, 10]
    assert positive[5].tolist() == [0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48]


@pytest.mark.parametrize("bits", range(2, 8))
def test_additive_powers_use_every_code(bits):
    fmt = AdditivePowers(bits=bits)
    assert len(fmt.levels) == 2**bits - 1
    used = [e for term in fmt.exponents for e in term]
    assert sorted(used) == list(range(len(used)))  # the sets share no power


def test_additive_powers_of_five_bits_are_two_hot():
    assert NHot(bits=8, n=2).contains(AdditivePowers(bits=5).levels).all()


@pytest.mark.parametrize(("bits", "n", "levels"), [(8, 1, 15), (8, 2, 57), (8, 3, 127), (6, 2, 31)])
def test_counts_without_subtraction(bits, n, levels):
    fmt = NHot(bits=bits, n=n, subtract=False)
    assert len(fmt.levels) == levels
    assert NHot(bits=bits, n=n).contains(fmt.levels).all()


def test_magnitudes_of_a_table_begin_with_zero():
    with pytest.raises(NhotError, match="must ascend from 0, not be 1-2-4-8"):
        Table(of=NHot(bits=8, n=2), magnitudes=(1, 2, 4, 8))


def test_field_of_a_table_is_a_sign_and_a_place():
    fmt = parse("2hot/0-1-24-96")
    assert fmt.to_fields(fmt.levels).tolist() == [7, 6, 5, 0, 1, 2, 3]
    assert fmt.encode(fmt.levels).tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["2hot/8", "2hot/16", "2hot/32", "3hot@7/16", "2hot+/16"])
def test_open_tables(name):
    """They are of a kind with the tables of their size, and have no levels of their own."""
    fmt = parse(name)
    assert (fmt.name, parse(fmt.name), fmt.kind) == (name, fmt, name)
    positive = fmt.of.levels[fmt.of.levels >= 0][: fmt.codes // 2]
    table = Table(of=fmt.of, magnitudes=tuple(positive.tolist()))
    assert table.kind == name
    assert (table.code_bits, table.field_bits) == (fmt.field_bits, fmt.field_bits)
    for ask in (lambda: fmt.levels, lambda: fmt.code_bits, lambda: fmt.nearest(1.0),
                lambda: fmt.contains(1), lambda: fmt.max_terms):
        with pytest.raises(NhotError, match=f"Levels of {re.escape(name)} must be chosen for"):
            ask()


@each_format
def test_kinds_of_formats_without_tables_are_their_names(fmt):
    assert isinstance(fmt, Table) or fmt.kind == fmt.name

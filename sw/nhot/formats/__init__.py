"""Weight formats: which integers a weight may be, and how they are coded."""

from nhot.formats.additive import AdditivePowers
from nhot.formats.binary import Binary
from nhot.formats.format import Format
from nhot.formats.level_table import OpenTable, Table
from nhot.formats.nhot import NHot
from nhot.formats.parse import parse
from nhot.formats.signed_binary import SignedBinary
from nhot.formats.terms import Term, extend_terms, naf_terms, naf_weight, sum_terms
from nhot.formats.uniform import Uniform

__all__ = [
    "AdditivePowers", "Binary", "Format", "NHot", "OpenTable", "SignedBinary", "Table", "Term",
    "Uniform", "extend_terms", "naf_terms", "naf_weight", "parse", "sum_terms",
]

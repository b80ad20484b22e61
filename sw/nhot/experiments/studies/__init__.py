"""Studies: networks trained in many formats on one data set, to one table and one picture.

A study is a list of rows. Each row says how one network is trained; what came of it is a record,
a small JSON file. Tables and plots are made of records alone.
"""

from nhot.experiments.studies.catalogue import NAMES, STUDIES, study
from nhot.experiments.studies.record import Record, load_records
from nhot.experiments.studies.repetition import work
from nhot.experiments.studies.study import Recipe, Row, Study
from nhot.experiments.studies.table import table

__all__ = [
    "NAMES", "STUDIES", "Recipe", "Record", "Row", "Study", "load_records", "study", "table",
    "work",
]

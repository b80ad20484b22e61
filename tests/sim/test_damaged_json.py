"""Files that only nhot or a data set has: any damage is refused by name, or leaves a sound file."""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import pytest

from nhot.errors import NhotError
from nhot.experiments.data.coco_file import Annotations
from nhot.experiments.studies import Record, study, table
from nhot.schema import parse_json
from nhot_sim.fuzz.mutate import damage_json

RECORD = Record(
    study="digits", row="2hot", seed=0, metric="accuracy", score=0.5, stages={"rounded": 0.25},
    counts={"weights": 10, "effectual": 5, "bits": 70, "terms": 15, "macs": 100,
            "shift_adds": 200, "mean_shift_adds": 150},
    facts={"AP50": 0.5, "classes": {"a": {"AP": 0.1}}},
)
ANNOTATIONS = {
    "images": [{"id": 7, "file_name": "a.png", "width": 20, "height": 10}],
    "categories": [{"id": 30, "name": "cell"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 30, "bbox": [4, 2, 8, 5.5]}],
}


def use_annotations(found):
    assert all(len(one.bbox) == 4 for one in found.annotations)


def use_record(record):
    assert parse_json(Record, json.dumps(asdict(record)).encode(), "Record") == record
    table(study("digits"), [record, record], "formats")


@pytest.mark.parametrize(("kind", "text", "unknown", "use"), [
    (Record, json.dumps(asdict(RECORD)), "forbid", use_record),
    (Annotations, json.dumps(ANNOTATIONS), "ignore", use_annotations),
])
def test_damage_is_refused_by_name(kind, text, unknown, use):
    source, accepted = random.Random(1), 0
    for _ in range(500):
        data = damage_json(text.encode(), source)
        try:
            found = parse_json(kind, data, "File", unknown=unknown)
        except NhotError as error:
            message = str(error)
        else:
            message, accepted = "", accepted + 1
            use(found)
        assert message.isprintable()
        assert len(message) < 600
    assert 0 < accepted < 500

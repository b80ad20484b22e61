"""Jobs and where their outcomes are kept: names, inputs, folders of others."""

from __future__ import annotations

import pytest

from nhot.errors import NhotError
from nhot.explore.job import Input, Job, Outcome
from nhot.explore.store import Store


def test_names_of_jobs():
    job = Job(kind="a", parameters={"x": 1}, inputs={"file": Input(place="/here", sha256="1")})
    there = {"file": Input(place="/there", sha256="1")}
    assert job.digest == Job(kind="a", parameters={"x": 1}, inputs=there).digest
    others = [
        Job(kind="b", parameters={"x": 1}, inputs=there),
        Job(kind="a", parameters={"x": 2}, inputs=there),
        Job(kind="a", parameters={"x": 1}, inputs={"file": Input(place="/here", sha256="2")}),
        Job(kind="a", parameters={"x": 1}, inputs={"other": Input(place="/here", sha256="1")}),
        Job(kind="a", parameters={"x": 1}),
        Job(kind="a", parameters={"x": 1}, inputs=there, version="0"),
    ]
    assert len({job.digest, *(other.digest for other in others)}) == 7


def test_store_of_something_else(tmp_path):
    (tmp_path / "thesis").touch()
    with pytest.raises(NhotError, match="must be empty or that of a sweep"):
        Store.create(tmp_path)
    with pytest.raises(NhotError, match="could not be read"):
        Store(tmp_path / "none")
    (tmp_path / "sweep.json").write_text('{"version": 9}', encoding="utf-8")
    with pytest.raises(NhotError, match="version must be 1, not 9"):
        Store.create(tmp_path)


def test_input_that_a_worker_does_not_see(tmp_path):
    store = Store.create(tmp_path / "store")
    job = Job(kind="a", parameters={}, inputs={"x": Input(place="/nowhere/x", sha256="0")})
    with pytest.raises(NhotError, match="'/nowhere/x' must be a path that all workers see"):
        store.make(job, lambda *_: {})
    assert store.outcome(job) is None
    (tmp_path / "model.py").touch()
    for place in (f"{tmp_path}/model.py:build", f"{tmp_path}", "digits"):
        job = Job(kind="a", parameters={}, inputs={"x": Input(place=place, sha256="0")})
        store.make(job, lambda _, inputs, folder, place=place: {"x": inputs["x"] == place})
    assert store.outcome(job) == Outcome(result={"x": True})


def test_what_a_killed_worker_left_is_cleared(tmp_path):
    store, job = Store.create(tmp_path), Job(kind="a", parameters={})
    left = store.place(job).with_suffix(".part")
    left.mkdir()
    (left / "half").touch()
    assert store.make(job, lambda *_: {"n": 1}) == Outcome(result={"n": 1})
    assert not left.exists()
    assert sorted(path.name for path in store.place(job).iterdir()) == ["job.json", "result.json"]

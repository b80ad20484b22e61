"""What ``nhot doctor`` finds out about the cache."""

import json

from nhot.cli import main
from nhot_hw import checks


def test_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache/boards").mkdir(parents=True)
    (tmp_path / "cache/boards/a").write_bytes(bytes(3_000_000))
    check = checks.cache()
    assert (check.state, check.problems) == (f"{tmp_path / 'cache'}, 3 MB", ())
    monkeypatch.setattr(checks, "_MANY", 1_000_000)
    (problem,) = checks.cache().problems
    assert (problem.serious, problem.what) == (False, "it is large")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "file"))
    (problem,) = checks.cache().problems
    assert problem.serious
    assert "NHOT_CACHE_DIR" in problem.cure


def test_the_cache_is_looked_at(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path))
    assert main(["doctor", "--json"]) == 0
    names = [check["name"] for check in json.loads(capsys.readouterr().out)["checks"]]
    assert "cache" in names

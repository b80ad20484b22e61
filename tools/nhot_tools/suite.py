"""Run the suite on a copy of the tree under coverage.py, processes started by tests included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from nhot.errors import NhotError
from nhot.files import write_atomically
from nhot.progress import Progress
from nhot_tools.recorder import RECORDS
from nhot_tools.tree import BUILD, PACKAGES, Tree, files, tree_hash

__all__ = ["Measured", "measure", "measure_all"]

# The file is read by each process anew: one that a test started finds that test's name.
_CONFIGURATION = """\
[run]
branch = true
source =
    {sources}
parallel = true
data_file = {data}
sigterm = true
context = ${{PYTEST_CURRENT_TEST}}
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run of the suite showed.

    Attributes
    ----------
    data : CoverageData
        Paths relative to the root, a context for each test or file of tests.
    seconds : dict
        Time of each test.
    failed : frozenset of str
        Tests that failed.
    """

    data: CoverageData
    seconds: dict[str, float]
    failed: frozenset[str]


def measure_all(jobs: int) -> Measured:
    """The quick tests of the working tree as it is; measured once, then kept under its hash."""
    names = files()
    folder = BUILD / "measured" / tree_hash(names)
    notes = folder / "tests.json"
    if notes.exists():
        facts = json.loads(notes.read_text(encoding="utf-8"))
        data = CoverageData(str(folder / "coverage"))
        data.read()
        return Measured(data=data, seconds=facts["seconds"], failed=frozenset(facts["failed"]))
    tree = Tree(BUILD / "measured" / "copy", names)
    measured = measure(tree, folder, jobs=jobs, selection=["-m", "not slow"])
    facts = {"seconds": measured.seconds, "failed": sorted(measured.failed)}
    write_atomically(notes, json.dumps(facts).encode())
    return measured


def measure(tree: Tree, folder: Path, *, jobs: int, selection: list[str]) -> Measured:
    """Run the tests that ``selection`` (arguments of pytest) picks; results are kept in ``folder``.

    Raises :class:`NhotError` if the suite cannot run; failing tests are told in the result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    raw, records = folder / "raw", folder / "records"
    for place in (raw, records):
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
    configuration = folder / "coveragerc"
    configuration.write_text(_CONFIGURATION.format(
        data=raw / "coverage",
        sources="\n    ".join(str(tree.root / package) for package in PACKAGES),
    ), encoding="utf-8")
    command = [
        sys.executable, "-m", "pytest", "-p", "nhot_tools.recorder", "-p", "no:cacheprovider",
        "-q", "--tb=short", "-n", str(jobs), "--dist", "worksteal", *selection,
    ]
    environment = {
        **tree.environment, "COVERAGE_PROCESS_START": str(configuration), RECORDS: str(records),
    }
    environment.pop("PYTEST_CURRENT_TEST", None)  # of a test that runs this
    log = folder / "pytest.log"
    with log.open("w") as file, Progress("running the suite under coverage", unit="s") as progress:
        process = subprocess.Popen(
            command, cwd=tree.root, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                progress.step()
    if process.returncode not in (0, 1):
        raise NhotError(f"Suite must run, not end with code {process.returncode}; see {log}")
    seconds, failed = _read_records(records)
    return Measured(data=_combine(tree, folder, raw), seconds=seconds, failed=failed)


def _read_records(records: Path) -> tuple[dict[str, float], frozenset[str]]:
    seconds, failed = {}, set()
    for file in records.iterdir():
        for line in file.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record.get("failed"):
                failed.add(record["test"])
            else:
                seconds[record["test"]] = round(record["seconds"], 3)
    return seconds, frozenset(failed)


def _combine(tree: Tree, folder: Path, raw: Path) -> CoverageData:
    combined = folder / "coverage"
    combined.unlink(missing_ok=True)
    data = CoverageData(str(combined))
    prefix = str(tree.root) + os.sep
    for part in sorted(raw.iterdir()):
        one = CoverageData(str(part))
        one.read()
        data.update(one, map_path=lambda path: path.removeprefix(prefix))
    data.write()
    return data

"""Jobs are done once, whoever is killed: workers and clients, in processes and on a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nhot.errors import NhotError
from nhot.explore import local
from nhot.explore.job import Job
from nhot.explore.store import Store

JOBS = """\
import os, time
from pathlib import Path
from nhot.errors import BuildError, NhotError

def wait(parameters, inputs, folder):
    write(parameters, "begin")
    gate = Path(parameters["gate"])
    while not (gate / "all").exists() and not (gate / str(parameters["number"])).exists():
        time.sleep(0.02)
    (folder / "file").write_text(str(parameters["number"]))
    write(parameters, "end")
    return {"square": parameters["number"] ** 2}

def write(parameters, what):
    line = f"{what} {parameters['number']} {os.getpid()}\\n"
    with open(parameters["log"], "ab", buffering=0) as log:
        log.write(line.encode())

def refuse(parameters, inputs, folder):
    write(parameters, "end")
    raise NhotError("Number must be another")

def fail(parameters, inputs, folder):
    write(parameters, "end")
    raise BuildError("the tool fell over")

def die(parameters, inputs, folder):
    write(parameters, "begin")
    os.kill(os.getpid(), 9)

def defect(parameters, inputs, folder):
    raise ZeroDivisionError("of the job")
"""

CLIENT = """\
import json, signal, sys
from dataclasses import asdict
from nhot.cli.failures import guarded
from nhot.explore.executor import open_executor, run_all
from nhot.explore.store import Store
from nhot.explore.work import read_job

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
    folder, scheduler, *texts = sys.argv[1:]
    jobs = [read_job(text) for text in texts]
    with guarded([]) as outcome:
        with open_executor(scheduler or None, 2) as executor:
            found = run_all(jobs, Store.create(folder), executor, "jobs")
        print(json.dumps([asdict(found[job.digest]) for job in jobs]))
    sys.exit(outcome.code)
"""

KINDS = ("wait", "refuse", "fail", "die", "defect")


def until(condition, patience=300):
    """Wait for ``condition``; a test that hangs is a failure, too."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


class Place:
    """A folder with jobs of the test, and all processes that it starts."""

    def __init__(self, folder: Path):
        self.folder, self.log, self.gate = folder, folder / "log", folder / "gate"
        self.processes: list[subprocess.Popen] = []
        info = folder / "site" / "jobs_of_a_test-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Name: jobs-of-a-test\nVersion: 1\n", encoding="utf-8")
        lines = [f"{kind} = jobs_of_a_test:{kind}" for kind in KINDS]
        (info / "entry_points.txt").write_text("\n".join(["[nhot.jobs]", *lines, ""]),
                                               encoding="utf-8")
        (folder / "site" / "jobs_of_a_test.py").write_text(JOBS, encoding="utf-8")
        (folder / "client.py").write_text(CLIENT, encoding="utf-8")
        self.log.touch()
        self.gate.mkdir()

    def job(self, kind: str, number: int) -> Job:
        return Job(kind=kind, parameters={
            "number": number, "log": str(self.log), "gate": str(self.gate)})

    def start(self, *command: str) -> subprocess.Popen:
        path = os.pathsep.join([str(self.folder / "site"), *filter(None, sys.path)])
        process = subprocess.Popen(
            [sys.executable, *command], env={**os.environ, "PYTHONPATH": path}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def client(self, jobs, scheduler: str = "") -> subprocess.Popen:
        return self.start("client.py", str(self.folder / "store"), scheduler,
                          *(job.to_json() for job in jobs))

    def cluster(self) -> str:
        """A scheduler and two workers; its address."""
        file = self.folder / "scheduler.json"
        self.start("-m", "distributed.cli.dask_scheduler", "--port", "0", *self.ports)
        until(lambda: file.exists() and file.read_text(encoding="utf-8").endswith("}"))
        for _ in range(2):
            self.worker()
        return json.loads(file.read_text(encoding="utf-8"))["address"]

    def worker(self):
        self.start("-m", "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1",
                   "--local-directory", str(self.folder), *self.ports)

    @property
    def ports(self) -> tuple[str, ...]:
        """Of this test alone, on this machine alone."""
        return ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0",
                "--scheduler-file", str(self.folder / "scheduler.json"))

    def open(self, *gates: object):
        """Let jobs of these numbers come to their end."""
        for gate in gates:
            (self.gate / str(gate)).touch()

    def lines(self, what: str) -> list[tuple[int, int]]:
        """Number and process of every beginning, or of every end."""
        found = (line.split() for line in self.log.read_text(encoding="utf-8").splitlines())
        return [(int(number), int(pid)) for word, number, pid in found if word == what]

    def times(self, what: str) -> Counter[int]:
        return Counter(number for number, _ in self.lines(what))

    def close(self):
        for process in self.processes:
            process.kill()
            process.communicate()
        for pid in {pid for _, pid in self.lines("begin")}:  # of a client that was killed
            if pid != os.getpid() and is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1][1] != "Z"
    except OSError:
        return False


def workers(pid: int) -> list[int]:
    """The workers that a client has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = map(int, path.read_text(encoding="utf-8").split())
    return [child for child in children
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.close()


def answers(client: subprocess.Popen) -> list[dict]:
    out, err = client.communicate()
    assert client.returncode == 0, err
    return json.loads(out)


def squares(count: int) -> list[dict]:
    return [{"result": {"square": n * n}, "refused": "", "failed": ""} for n in range(count)]


def test_worker_killed_then_client_killed(place):
    jobs = [place.job("wait", number) for number in range(5)]
    client = place.client(jobs)
    until(lambda: len(place.lines("begin")) == 2)
    (lost, victim), _ = place.lines("begin")
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(place.lines("begin")) == 3)  # another worker has come
    client.kill()
    begun = place.lines("begin")
    until(lambda: not any(is_alive(pid) for _, pid in begun))  # nobody works for nobody
    place.open("all")
    assert answers(place.client(jobs)) == squares(5)
    assert place.times("end") == Counter(range(5))
    once = set(range(5)) - {number for number, _ in begun}
    assert {number: place.times("begin")[number] for number in once} == dict.fromkeys(once, 1)
    assert lost not in once
    assert answers(place.client(jobs)) == squares(5)  # from the store alone
    assert place.times("end") == Counter(range(5))
    store = Store(place.folder / "store")
    files = [(store.place(job) / "file").read_text(encoding="utf-8") for job in jobs]
    assert files == ["0", "1", "2", "3", "4"]
    assert not list(store.folder.glob("jobs/*.part"))


def test_worker_of_a_cluster_killed_then_client_killed(place):
    pytest.importorskip("distributed")
    address = place.cluster()
    jobs = [place.job("wait", number) for number in range(7)]
    client = place.client(jobs[:3], address)
    until(lambda: len({pid for _, pid in place.lines("begin")}) == 2)
    (lost, victim), _ = place.lines("begin")
    os.kill(victim, signal.SIGKILL)
    place.open(0, 1, 2)
    assert answers(client) == squares(3)  # the other worker did it
    place.worker()
    client = place.client(jobs, address)
    until(lambda: len({pid for number, pid in place.lines("begin") if number > 2}) == 2)
    client.kill()
    client.communicate()
    again = place.client(jobs, address)
    place.open("all")
    assert answers(again) == squares(7)
    assert place.times("end") == Counter(range(7))
    # What the workers were at when the client was killed was not begun again.
    assert place.times("begin") == Counter(range(7)) + Counter([lost])


@pytest.mark.parametrize("begun", [False, True])
def test_interrupt(place, begun):
    """As Ctrl-C does, it reaches all processes, at work or just started; one line is said."""
    client = place.client([place.job("wait", number) for number in range(3)])
    until(lambda: place.lines("begin") if begun else workers(client.pid))
    os.killpg(client.pid, signal.SIGINT)
    out, err = client.communicate(timeout=300)
    assert client.returncode == 130
    assert err.splitlines() == ["nhot: interrupted"]
    assert out == ""
    assert not any(is_alive(pid) for _, pid in place.lines("begin"))
    assert not place.lines("end")


def test_no_worker_gets_interrupts_from_its_first_moment(place):
    """The first one neither, with which Python starts a process of its own."""
    client = place.client([place.job("wait", number) for number in range(3)])
    until(lambda: len(workers(client.pid)) == 2)
    for pid in workers(client.pid):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        blocked = next(line.split()[1] for line in status.splitlines() if "SigBlk" in line)
        assert int(blocked, 16) >> (signal.SIGINT - 1) & 1


def test_a_worker_that_has_just_begun_ends_without_a_word(monkeypatch):
    """It is asked to before it has taken its first job."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(local, "_be_quiet", lambda: signal.raise_signal(signal.SIGTERM))
    try:
        local._serve(None)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_two_clients_at_once(place):
    jobs = [place.job("wait", number) for number in range(3)]
    clients = [place.client(jobs) for _ in range(2)]
    until(lambda: len(place.lines("begin")) == 2)
    place.open("all")
    for client in clients:
        assert answers(client) == squares(3)
    assert place.times("end") == place.times("begin") == Counter(range(3))


def test_what_cannot_be_done(place):
    """A refusal is kept, a failure is tried again the next time."""
    jobs = [place.job(kind, number) for number, kind in enumerate(("refuse", "fail", "die"))]
    first = answers(place.client(jobs))
    assert first[0] == {"result": None, "refused": "Number must be another", "failed": ""}
    assert first[1] == {"result": None, "refused": "", "failed": "the tool fell over"}
    assert first[2]["failed"] == "3 workers died of it, the last one by SIGKILL"
    assert place.times("begin")[2] == 3
    assert answers(place.client(jobs)) == first
    assert place.times("end") == Counter({0: 1, 1: 2})


def test_what_cannot_be_done_on_a_cluster_that_then_goes_away(place):
    pytest.importorskip("distributed")
    address = place.cluster()
    jobs = [place.job(kind, number) for number, kind in enumerate(("refuse", "fail"))]
    found = answers(place.client(jobs, address))
    assert found[0] == {"result": None, "refused": "Number must be another", "failed": ""}
    assert found[1] == {"result": None, "refused": "", "failed": "the tool fell over"}
    client = place.client([place.job("wait", 2)], address)
    until(lambda: place.lines("begin"))
    place.processes[0].kill()
    _, err = client.communicate()
    assert client.returncode == 2, err
    assert f"Scheduler {address} went away" in err.splitlines()[-1]


def test_a_defect_in_a_worker_is_one(place):
    client = place.client([place.job("defect", 0)])
    _, err = client.communicate()
    assert client.returncode == 70
    assert "of the job" in err
    assert "in defect" in err  # where it was


@pytest.mark.parametrize(("address", "reason"), [
    ("tcp://127.0.0.1:9", "Timed out trying to connect"), ("nowhere", "missing port"),
    ("tcp://", "missing port"), ("what://x:1", "unknown address scheme"), ("", "missing port"),
])
def test_scheduler_that_is_none(address, reason, monkeypatch):
    cluster = pytest.importorskip("nhot.explore.cluster")
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    with pytest.raises(NhotError, match=reason) as error:
        cluster.Cluster(address)
    assert str(error.value).startswith("Scheduler must be the address of a Dask scheduler, as "
                                       f"tcp://host:8786, not {address!r}: ")

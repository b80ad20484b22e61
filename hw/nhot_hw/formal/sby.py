"""Give a proof to sby, Yosys and z3, and read what they say."""

import logging
import re
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from amaranth.back import rtlil

from nhot.errors import BuildError, NhotError
from nhot.progress import Progress
from nhot_hw.build.tools import packaged_name, run_tool
from nhot_hw.formal.proof import Outcome, Proof, Verdict

__all__ = ["prove", "prove_all"]

_log = logging.getLogger("nhot.formal")

_NEEDS = ("yosys", "yosys-smtbmc", "yosys-witness", "z3")
# sby's exit codes: bits for a task that failed, had no answer or no time; 16 is an error.
_ANSWERS = range(16)
_KEPT = ("proof.il", "proof.sby", "sby.log")

# Programs at a time: as many as a job can have, for what one that was broken off would have begun
# next keeps its place, and what waits for a place then waits for ever.
_PLACES = "4"

# In bit vectors throughout, and with z3's newer core, a product takes half of the time.
_BITS = "smtbmc --nomem --stbv z3 sat.smt=true"
_ARRAYS = "smtbmc z3"
_JOB = """\
[tasks]
claim
covers
search
[options]
claim: mode {mode}
claim: depth {depth}
search: mode bmc
search: depth {reach}
covers: mode cover
covers: depth {reach}
[engines]
{engine}
[script]
read_rtlil proof.il
prep -flatten -top proof
[files]
proof.il
"""


def prove_all(
    proofs: Sequence[Proof], folder: Path, *, limit: int | None = None, jobs: int = 1
) -> list[Verdict]:
    """Each of ``proofs`` as :func:`prove`, so many at the same time, in their order."""
    for what, value in (("Limit of a proof", limit), ("Jobs", jobs)):
        if value is not None and value < 1:
            raise NhotError(f"{what} must be at least 1, not {value}")
    with ThreadPoolExecutor(jobs) as pool, Progress("proofs", len(proofs)) as progress:
        tasks = [pool.submit(prove, proof, folder, limit=limit) for proof in proofs]
        try:
            for task in as_completed(tasks):
                progress.step()
                verdict = task.result()
                _log.debug("%s %s", verdict.proof.name, verdict.outcome.value)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return [task.result() for task in tasks]


def prove(proof: Proof, folder: Path, *, limit: int | None = None) -> Verdict:
    """Try to prove, and reach the covers, so that the claim is not empty.

    Nothing is kept of what is proved. Of all else, ``folder/<name>`` has the netlist, the job, the
    log and the waveform; it replaces what an earlier run left there.

    Parameters
    ----------
    limit : int, optional
        Seconds after which there is no answer.

    Raises
    ------
    MissingToolError
        A tool is not installed.
    BuildError
        A tool failed on the specification.
    """
    kept = folder / proof.name
    shutil.rmtree(kept, ignore_errors=True)
    with TemporaryDirectory(prefix="nhot-prove-") as name:
        work = Path(name)
        netlist = rtlil.convert(
            proof.create(), name="proof", platform=proof.platform, emit_src=False
        )
        (work / "proof.il").write_text(netlist, encoding="utf-8")
        (work / "proof.sby").write_text(_job(proof), encoding="utf-8")
        start = time.monotonic()
        try:
            _run(proof, work, limit, "claim", "covers")
            if _status(work / "proof_claim") == "UNKNOWN":
                _run(proof, work, limit, "search")
        except BuildError as error:
            _keep(work, kept)
            raise BuildError(str(error).replace(str(work), str(kept))) from None
        seconds = time.monotonic() - start
        outcome, reason, trace = _read(proof, work, limit)
        if outcome is not Outcome.PROVED:
            trace = _keep(work, kept, trace)
    return Verdict(proof=proof, outcome=outcome, seconds=seconds, reason=reason, trace=trace)


def _run(proof: Proof, work: Path, limit: int | None, *tasks: str) -> None:
    # Not with sby's own limit: now and then it then waits for what it has ended, for ever.
    run_tool(
        "sby", ["-j", _PLACES, *_tool_arguments(), "proof.sby", *tasks],
        folder=work, log=work / "sby.log", what=f"Proof of {proof.name}", show=False,
        needs=_NEEDS, answers=_ANSWERS, limit=limit,
    )


def _tool_arguments() -> list[str]:
    # By name, not by path, for sby hands them to a shell as they are.
    names = {"yosys": "yosys", "smtbmc": "yosys-smtbmc", "witness": "yosys-witness"}
    return [part for key, name in names.items() for part in (f"--{key}", packaged_name(name))]


def _job(proof: Proof) -> str:
    return _JOB.format(
        mode="bmc" if proof.bounded else "prove", depth=proof.depth,
        reach=proof.reach or proof.depth, engine=_ARRAYS if proof.arrays else _BITS,
    )


def _read(proof: Proof, work: Path, limit: int | None) -> tuple[Outcome, str, Path | None]:
    """Outcome, reason and waveform."""
    claim, covers = (_status(work / f"proof_{task}") for task in ("claim", "covers"))
    for task in ("claim", "search"):
        if _status(work / f"proof_{task}") == "FAIL":
            where, cycle = _failure(work / f"proof_{task}", without="induction")
            trace = work / f"proof_{task}" / "engine_0" / "trace.vcd"
            return Outcome.FAILED, f"{where} (cycle {cycle})", trace
    if claim == "UNKNOWN":
        where = _failure(work / "proof_claim", without="basecase")[0]
        reason = f"does not follow from the {proof.depth} cycles before: {where}"
        return Outcome.UNKNOWN, reason, work / "proof_claim" / "engine_0" / "trace_induct.vcd"
    if covers == "FAIL":
        return Outcome.UNKNOWN, f"never happens: {_failure(work / 'proof_covers')[0]}", None
    if (claim, covers) == ("PASS", "PASS"):
        return Outcome.PROVED, "", None
    return Outcome.UNKNOWN, f"no answer within {limit} s", None


def _status(task: Path) -> str:
    """sby's word for how a task ended; one that it broke off in time may have none."""
    path = task / "status"
    return path.read_text(encoding="utf-8").split()[0] if path.exists() else "TIMEOUT"


def _failure(task: Path, without: str = "") -> tuple[str, str]:
    """The message of the assertion or the cover that failed, and in which cycle it was.

    The first cycles and the induction run side by side, and their lines come in any order: those of
    the part that is not asked for are passed over.
    """
    path = task / "logfile.txt"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    log = "".join(line for line in lines if not without or f"engine_0.{without}:" not in line)
    found = re.search(r"(?:Assert failed in|Unreached cover statement at) \w+: (\S+)", log)
    if found is None:
        return "", ""
    netlist = (task / "model" / "design.il").read_text(encoding="utf-8")
    cell = re.escape(found[1])
    message = re.search(rf'cell \$check \\{cell}\n(?:.*\n)*?.*\\FORMAT "(.*)"', netlist)
    steps = re.findall(r"Checking assertions in step (\d+)", log[:found.start()])
    return message[1] if message else found[1], steps[-1] if steps else ""


def _keep(work: Path, kept: Path, trace: Path | None = None) -> Path | None:
    """Copy what shows how it ended; return the place of the waveform."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in _KEPT:
        shutil.copyfile(work / name, kept / name)
    if trace is None or not trace.exists():
        return None
    return Path(shutil.copyfile(trace, kept / "trace.vcd"))

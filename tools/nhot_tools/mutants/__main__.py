"""``make mutants``: plant single faults by rule, and print what the tests do not notice."""

from __future__ import annotations

import json
import random
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from itertools import islice

from nhot.cli.failures import guarded
from nhot.cli.parser import EXIT_CODES
from nhot.errors import NhotError
from nhot.progress import configure_logging
from nhot_tools.mutants.campaign import KILLED, Outcome, Results, run
from nhot_tools.mutants.explained import read_explained, stale
from nhot_tools.mutants.mutant import Mutant
from nhot_tools.mutants.scope import mutants_in, sources
from nhot_tools.mutants.selection import Named, Selection
from nhot_tools.suite import measure_all
from nhot_tools.tree import BUILD, ROOT, Tree, files, tree_hash

FOLDER = BUILD / "mutants"
AIM = 97  # per cent


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code: 1 if fewer than the aim were noticed."""
    with guarded(sys.argv[1:] if argv is None else argv) as outcome:
        args = _parser().parse_args(argv)
        configure_logging(0)
        outcome.code = _run(args)
    return outcome.code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="make mutants ARGS=", description=__doc__, epilog=EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=300, help="faults to plant (default: 300)")
    parser.add_argument("--seed", type=int, default=1,
                        help="of the draw; another one plants others (default: 1)")
    parser.add_argument("--paths", nargs="+", default=[], metavar="PATH",
                        help="files or folders to plant them in (default: what numbers depend on)")
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time (default: 2)")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS",
                        help="the longest to run tests for one fault, by their times without one: "
                        "those of its line, then those of its file (default: 120)")
    parser.add_argument("--tests", nargs="+", default=[], metavar="FILE",
                        help="tests to run for every fault (default: those that run its line)")
    parser.add_argument("--again", action="store_true",
                        help="plant only what lived when it was last planted")
    parser.add_argument("--list", action="store_true",
                        help="print the faults that would be planted, and plant none")
    return parser


def _run(args: Namespace) -> int:
    for name in ("count", "jobs"):
        if getattr(args, name) < 1:
            raise NhotError(f"--{name} must be at least 1, not {getattr(args, name)}")
    names = files()
    explained = read_explained()
    _refuse_stale(explained, names)
    results = Results(_made(FOLDER) / "results.jsonl")
    possible = mutants_in(sources(names, args.paths))
    drawn = _draw(possible, args, explained, results)
    if args.list:
        for mutant in drawn:
            print(f"{mutant.place}: {mutant.rule}: {mutant.says}")
        return 0
    state = tree_hash(names)
    selection: Named | Selection
    if args.tests:
        selection = Named(Tree(FOLDER / "named", names), args.tests)
        state += f" {' '.join(sorted(args.tests))}"  # of other tests nothing is known
    else:
        selection = Selection(measure_all(args.jobs))
    for test in sorted(selection.failed):
        print(f"nhot: left out, as it fails without a fault: {test}", file=sys.stderr)
    run(drawn, folder=FOLDER, names=names, tree=state, selection=selection, results=results,
        jobs=args.jobs, patience=args.patience)
    return _report(args, drawn, results.of(state), explained, len(possible))


def _refuse_stale(explained: dict[str, str], names: list[str]) -> None:
    paths = sorted({key.partition("|")[0] for key in explained})
    gone = sorted(set(paths) - set(names)) or stale(explained, mutants_in(paths))
    if gone:
        raise NhotError(f"Explained fault must be one that can be planted, not {gone[0]}")


def _draw(
    possible: list[Mutant], args: Namespace, explained: dict[str, str], results: Results
) -> list[Mutant]:
    if args.again:
        alive = results.alive() - explained.keys()
        return [mutant for mutant in possible if mutant.key in alive]
    shuffled = random.Random(args.seed).sample(possible, len(possible))
    sound = (mutant for mutant in shuffled if mutant.compiles((ROOT / mutant.path).read_bytes()))
    return [mutant for mutant in islice(sound, args.count) if mutant.key not in explained]


def _report(
    args: Namespace, drawn: list[Mutant], outcomes: dict[str, Outcome], explained: dict[str, str],
    possible: int,
) -> int:
    alive = sorted(
        (mutant for mutant in drawn if outcomes[mutant.key].what not in KILLED),
        key=lambda mutant: (mutant.path, mutant.start),
    )
    for mutant in alive:
        print(f"{outcomes[mutant.key].what}  {mutant.place}  {mutant.rule}")
        print(mutant.diff((ROOT / mutant.path).read_bytes()))
        print(_entry(mutant))
    counts = Counter(outcomes[mutant.key].what for mutant in drawn)
    drawn_explained = 0 if args.again else min(args.count, possible) - len(drawn)
    noticed = sum(counts[what] for what in KILLED)
    rate = 100 * noticed / max(len(drawn), 1)
    print(f"seed {args.seed}: {len(drawn)} of {possible:,} possible faults planted: "
          f"{counts['killed']} killed, {counts['timeout']} by a time limit, "
          f"{counts['lived']} lived, {counts['unseen']} on lines that no test runs: {rate:.1f} % "
          f"noticed; {drawn_explained} more were drawn that explained.toml explains")
    return 0 if rate >= AIM else 1


def _entry(mutant: Mutant) -> str:
    """What explained.toml needs, to be completed."""
    path, function, line, change = mutant.key.split("|", 3)
    fields = {"file": path, "function": function, "line": line, "change": change, "reason": ""}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    return "\n".join(["[[fault]]", *lines, ""])


def _made(folder):  # type: ignore[no-untyped-def]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())

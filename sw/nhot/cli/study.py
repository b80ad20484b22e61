"""``nhot study``: a network in many formats, trained or of one's own, to a table and a picture."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.output import OutputFile, OutputFolder, add_json_argument, print_json
from nhot.cli.own_study import GIVEN, add_own_arguments, run_own
from nhot.cli.reporting import add, add_report_argument, check_report
from nhot.errors import NhotError
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.experiments.studies import Record, Study

HELP = "compare formats in a table and a picture: on a model of your own, or trained ones"

EXAMPLE = """\
examples:
  nhot study --model m.tflite --data x.npz --formats 2hot,1hot,signed-binary/8,int8 -o runs/own
      a model of your own on data of your own, without training: accuracy, bits, terms, and cycles
      on the smallest engine of a board that holds it; runs/own/report.html has it with pictures
  nhot study --model resnet8 --weights w.pt --data cifar-10-batches-bin --board ulx3s-85f -o runs/8
      a network that nhot train has trained, on one board; what is in runs/8 is not done again
  nhot study digits -o runs/digits
      all formats on the digits of scikit-learn, in some minutes
  nhot study cifar10-resnet8 --data cifar-10-batches-bin -o runs/resnet8 --rows float,int8,2hot
      three rows; what is in runs/resnet8 already is not trained again, and a training that was
      stopped goes on
  nhot study cifar10-resnet8 --table docs/results/cifar10-resnet8
      the table of records that are there, nothing is trained; --page docs/results.md writes it
      into the page, --plot FILE.svg draws it
"""

TRAINED = ("rows", "seeds", "table", "page")
"""What is of studies that are trained alone."""

_log = logging.getLogger("nhot")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.usage = "%(prog)s STUDY|--model MODEL [--data DATA] [options] -o DIR"
    parser.add_argument("study", metavar="STUDY", nargs="?",
                        help="digits, cifar10-resnet8, cifar10-resnet20, ...: rows are trained")
    parser.add_argument("--data", metavar="DATA",
                        help="folder of the data set, in its official layout; with --model, all "
                        "that nhot evaluate takes")
    parser.add_argument("--rows", metavar="NAME,...", help="only these rows (default: all)")
    parser.add_argument("--seeds", metavar="N,...",
                        help="of all random numbers, and of a study in folds the folds "
                        "(default: those of the study, most often 0)")
    parser.add_argument("-o", "--output", action=OutputFolder, metavar="DIR",
                        help="checkpoints, logs and records, a folder a row")
    parser.add_argument("--table", type=Path, metavar="DIR",
                        help="print the table of the records in DIR instead of training")
    parser.add_argument("--plot", action=OutputFile, metavar="FILE.svg",
                        help="also draw the score against additions and bits")
    parser.add_argument("--page", action=OutputFile, metavar="FILE.md",
                        help="also renew the study's tables in a page, between the lines "
                        "<!-- table STUDY PART --> and <!-- end -->")
    add_own_arguments(parser)
    add_report_argument(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Compare formats on a model that the arguments name, or train the rows of a study."""
    if (args.study is None) == (args.model is None):
        raise NhotError("Study needs either the name of one, or --model MODEL of your own")
    given, other = (TRAINED, "STUDY") if args.model is not None else (GIVEN, "--model")
    for name in given:
        if getattr(args, name) not in (None, []):
            raise NhotError(f"--{name.replace('_', '-')} must be given with {other} alone")
    if args.model is None:
        return _run_trained(args)
    if args.output is None:
        raise NhotError("-o DIR must be given with --model: networks and results go there")
    check_report(args)
    return run_own(args)


def _run_trained(args: Namespace) -> int:
    """Train the rows, or read their records, and print the table."""
    from nhot.experiments.studies import load_records, study, table, work

    chosen = study(args.study)
    if (args.output is None) == (args.table is None):
        raise NhotError("Study needs either -o DIR to train in, or --table DIR to read from")
    if args.page:
        _read(args.page)  # one that cannot be read is found before the training
    check_report(args)
    records = _train(args) if args.output else load_records(args.table)
    if args.report is not None:
        from nhot.experiments.studies.report import entry

        for record in records:
            add(args, entry(chosen, record))
    if args.json:
        print_json([vars(record) for record in records])
    else:
        tables = [table(chosen, records, part)
                  for part in dict.fromkeys(row.part for row in chosen.rows)]
        if any(record.additions for record in records):
            tables.append(work(chosen, records))
        for line in "\n".join(tables).split("\n"):
            say(line)
    if args.page:
        _renew(args.page, chosen, records)
    if args.plot:
        from nhot.experiments.studies.record_plot import plot

        plot(chosen, records, args.plot)
        _log.info("picture %s", args.plot)
    return 0


def _renew(path: Path, study: Study, records: list[Record]) -> None:
    from nhot.experiments.studies.doc_tables import refresh
    from nhot.files import write_atomically

    write_atomically(path, refresh(_read(path), study, records).encode())
    _log.info("page %s", path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise NhotError(f"Page {str(path)!r} must be a file of text that can be read") from None


def _train(args: Namespace) -> list[Record]:
    from nhot.experiments.studies import study
    from nhot.experiments.studies.runner import Runner, open_study

    chosen = study(args.study)
    names = args.rows.split(",") if args.rows else [row.name for row in chosen.rows]
    rows = [chosen.row(name) for name in names]
    seeds = _seeds(args.seeds) if args.seeds else list(chosen.seeds)
    for seed in seeds:
        chosen.check_seed(seed)
    data = None if args.data is None else Path(args.data)
    records = []
    runner = None
    for seed in seeds:
        if runner is None or chosen.folds:
            runner = Runner(chosen, open_study(chosen, data, seed), args.output)
        for row in rows:
            record = runner.run(row, seed)
            _log.info("%s seed %d: %s %.4f", row.name, seed, record.metric, record.score)
            records.append(record)
    return records


def _seeds(text: str) -> list[int]:
    from nhot.experiments.training.settings import check_seed

    try:
        seeds = [int(one) for one in text.split(",")]
    except ValueError:
        raise NhotError(f"Seeds must be whole numbers, as 0,1,2, not {text!r}") from None
    for seed in seeds:
        check_seed(seed)
    return seeds

"""``nhot prove``: what holds of the gateware for all inputs, and for how long."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFolder, add_json_argument, print_json, print_table

#: Where what is not proved is kept.
FOLDER = Path("build", "proofs")
HELP = "prove what the parts of the gateware promise, with Yosys and z3"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="proofs, or patterns of them, e.g. 'lane-*' (default: all)")
    parser.add_argument("--list", action="store_true", help="only list them")
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--limit", type=int, metavar="SECONDS",
                        help="give up a proof after that long (default: never)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="proofs at the same time (default: 1)")
    parser.add_argument("-o", "--output", action=OutputFolder, default=FOLDER,
                        metavar="DIR",
                        help="netlist, log and waveform of what is not proved go to DIR/NAME "
                        "(default: build/proofs)")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Prove, and print what came of it."""
    from nhot_hw.cli.target import ignore_unused
    from nhot_hw.formal import prove_all, require
    from nhot_hw.formal.proofs import chosen_proofs

    ignore_unused()
    proofs = [proof for proof in chosen_proofs(args.names) if not (args.quick and proof.slow)]
    if args.list:
        return _list(args, proofs)
    verdicts = prove_all(proofs, args.output, limit=args.limit, jobs=args.jobs)
    if args.json:
        print_json([verdict.to_dict() for verdict in verdicts])
    else:
        print_table(
            ("proof", "", "how", "seconds"),
            [(one.proof.name, one.outcome.value, one.proof.how, f"{one.seconds:.0f}")
             for one in verdicts],
            ("seconds",),
        )
    require(verdicts)
    return 0


def _list(args: Namespace, proofs: list) -> int:
    if args.json:
        print_json([{"name": proof.name, "claim": proof.claim, "how": proof.how,
                     "slow": proof.slow} for proof in proofs])
    else:
        print_table(("proof", "claim", "how"),
                    [(proof.name, proof.claim, proof.how) for proof in proofs])
    return 0

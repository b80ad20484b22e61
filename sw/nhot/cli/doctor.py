"""``nhot doctor``: what this machine has, what it lacks or what is in the way, and the cure."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import entry_points

from nhot.cli.output import add_json_argument, print_json, print_table
from nhot.doctor import (
    Check,
    Finding,
    Problem,
    SerialPort,
    System,
    find_tools,
    programmers,
    serial_ports,
)
from nhot.printable import say

HELP = "list tools, serial ports and rights: what is missing or in the way, and the cure"

GROUP = "nhot.checks"

SYSTEM = System()


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_json_argument(parser)
    parser.add_argument("--strict", action="store_true",
                        help="end with exit code 3 if something needed is missing or in the way")


def run(args: Namespace) -> int:
    """Look, and print what was found."""
    findings, ports = find_tools(), serial_ports(SYSTEM)
    checks = [*programmers(SYSTEM), *_more_checks()]
    missing = [one for one in findings if one.needed and not one.version]
    problems = [problem for port in ports for problem in port.problems]
    problems += [problem for check in checks for problem in check.problems]
    complete = not missing and not any(problem.serious for problem in problems)
    if args.json:
        print_json({"findings": [asdict(one) for one in findings],
                    "ports": [asdict(one) for one in ports],
                    "checks": [asdict(one) for one in checks], "complete": complete})
    else:
        _print_tools(findings)
        _print_ports(ports)
        for check in checks:
            say(f"{check.name}: {check.state}")
            _print_problems(check.problems)
        _print_end(missing, problems)
    return 3 if args.strict and not complete else 0


def _more_checks() -> list[Check]:
    """What the other packages look at."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return [point.load()() for point in points]


def _print_tools(findings: Iterable[Finding]) -> None:
    print_table(
        ("", "name", "version", "for", "get it with"),
        [
            ("ok" if one.version else "--" if one.needed else "..", one.name, one.version or "-",
             one.purpose, "" if one.version else one.remedy)
            for one in findings
        ],
    )
    say()


def _print_ports(ports: list[SerialPort]) -> None:
    for port in ports:
        which = "" if port.interface is None else f", interface {port.interface}"
        say(f"serial port {port.port}: {port.description or 'without a name'} ({port.usb}{which})")
        _print_problems(port.problems)
    if not ports:
        say("no serial port found (--port virtual needs none)")


def _print_problems(problems: Iterable[Problem]) -> None:
    for problem in problems:
        say(f"  {'!!' if problem.serious else '..'} {problem.what}: {problem.cure}")


def _print_end(missing: list[Finding], problems: list[Problem]) -> None:
    names = ", ".join(one.name for one in missing)
    say(f"missing: {names}" if missing else "nothing is missing")
    serious = sum(problem.serious for problem in problems)
    if serious:
        say(f"in the way: {serious} {'problem' if serious == 1 else 'problems'} (!! above)")

"""How fast networks run on engines: a row for each of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nhot.compiler import Image, compile_network
from nhot.compiler.profile import profile
from nhot.compiler.survey import survey
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.network import Network
from nhot.network.counts import count
from nhot.progress import track
from nhot_hw.bench.networks.aims import aims
from nhot_hw.bench.networks.measured_on import Engine

__all__ = [
    "COLUMNS", "NUMERIC", "AimReached", "Lack", "Row", "legend", "measure", "reasons",
    "to_markdown",
]

Simulate = Callable[[Network, Image], None]


@dataclass(frozen=True, kw_only=True)
class AimReached:
    """Another's inferences a second, and whether an engine makes more."""

    of: str
    inferences_per_s: float
    met: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Lack:
    """A size that an engine has too little of: a field of :class:`EngineConfig`."""

    size: str
    needed: int
    has: int

    def __str__(self) -> str:
        return f"{self.size} {self.needed:,} of {self.has:,}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network on an engine.

    Parameters
    ----------
    weights : {"reference", "random"}
    requant_terms : int
        Most terms of a multiplier.
    cycles : int, optional
        Of an inference, exactly; None if the engine does not hold the network.
    inferences_per_s : float, optional
        Clock that place and route reached over cycles.
    utilisation : float, optional
        Multiply-accumulates of the network as a part of those that the array had time for.
    simulated : bool
        Whether the gateware ran it, with the reference's outputs in so many cycles.
    lacks : tuple of Lack
        What an engine that does not hold it has too little of,
    reason : str
        and all that the compiler says of it.
    """

    network: str
    board: str
    configuration: str
    format: str
    weights: str
    requant_terms: int
    cycles: int | None = None
    fmax_mhz: float | None = None
    inferences_per_s: float | None = None
    utilisation: float | None = None
    luts: int | None = None
    aims: tuple[AimReached, ...] = ()
    simulated: bool = False
    lacks: tuple[Lack, ...] = ()
    reason: str = ""

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        return [
            self.network, self.board or "-", self.configuration, self.weights,
            _number(self.cycles) or "no room", _number(self.fmax_mhz, 1),
            _number(self.inferences_per_s),
            "" if self.utilisation is None else f"{self.utilisation:.1%}", _number(self.luts),
            "; ".join(_beside(aim) for aim in self.aims),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rounded = {"inferences_per_s": 1, "utilisation": 4}
        return {
            name: round(value, rounded[name]) if name in rounded and value is not None else value
            for name, value in asdict(self).items()
        }


COLUMNS = (
    "network", "board", "engine", "weights", "cycles", "MHz", "inferences/s", "utilisation", "LUTs",
    "aims",
)
NUMERIC = COLUMNS[4:9]


def measure(
    names: Sequence[str], engines: Sequence[Engine], *, folder: Path | None = None,
    requant_terms: int | None = None, simulate: Simulate | None = None,
) -> list[Row]:
    """A row for each network of ``names`` on each of ``engines``.

    Parameters
    ----------
    folder : path, optional
        Of the reference weights; without it, and for networks that it lacks, weights are random.
    requant_terms : int, optional
        Most terms of a multiplier: those that the engine takes in a cycle, but at least the two
        that cost no accuracy, unless given.
    simulate : callable, optional
        Called with a network and its image; raises where the gateware does something else than was
        predicted.
    """
    from nhot_hw.bench.networks.mlperf_tiny import integer_network

    rows = []
    jobs = [(name, engine) for name in names for engine in engines]
    known: dict[tuple[str, str, int], tuple[Network, bool]] = {}
    for name, engine in track(jobs, "networks", unit="networks"):
        format, terms = engine.config.format, requant_terms or max(2, engine.config.requant_terms)
        key = (name, format, terms)
        if key not in known:
            known[key] = integer_network(name, format, folder, requant_terms=terms)
        rows.append(_row(name, engine, *known[key], terms, simulate))
    return rows


def legend(rows: Sequence[Row]) -> list[str]:
    """What the columns mean, one sentence a line."""
    return [
        "cycles: of an inference, as predicted" + (
            ", and in simulation the same." if any(row.simulated for row in rows)
            else "; --simulate has the gateware run it."),
        "MHz: that place and route reached, from the bitstream's manifest.",
        "inferences/s: one after another, at that clock.",
        "utilisation: multiply-accumulates of the network over those that the array had time for.",
        "LUTs: logic cells of an iCE40, LUT4 of an ECP5, of the whole bitstream.",
        "aims: inferences/s of others, whose sources are in nhot_hw.bench.networks.aims.",
        "What an engine reaches here is no result of MLPerf Tiny.",
        f"Multipliers of the requantisation have at most {_listed(rows)} terms.",
        "random weights: of an untrained network, which takes the same cycles.",
    ]


def reasons(rows: Iterable[Row]) -> list[str]:
    """What engines without room for a network need and have, one sentence a line."""
    return [
        f"{row.network} needs of {row.board} {row.configuration}: "
        f"{', '.join(map(str, row.lacks)) or row.reason}."
        for row in rows if row.reason
    ]


def to_markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, with its legend."""
    aligned = ["---:" if column in NUMERIC else "---" for column in COLUMNS]
    lines = [
        "# Networks on engines", "", "Made by `nhot bench networks --markdown`.", "",
        *(f"* {line}" for line in legend(rows)), "",
        *("| " + " | ".join(cells) + " |" for cells in (COLUMNS, aligned)),
        *("| " + " | ".join(row.cells()) + " |" for row in rows), "",
        *(f"* {line}" for line in reasons(rows)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(
    name: str, engine: Engine, network: Network, reference: bool, terms: int,
    simulate: Simulate | None,
) -> Row:
    config = engine.config
    known: dict[str, Any] = {
        "network": name, "board": engine.board, "configuration": engine.configuration,
        "format": config.format, "weights": "reference" if reference else "random",
        "requant_terms": terms, "fmax_mhz": engine.fmax_mhz, "luts": engine.luts,
    }
    others = list(aims(name, engine.board, config.weight_format))
    try:
        image = compile_network(network, config)
    except NhotError as error:
        unmet = tuple(AimReached(of=of, inferences_per_s=rate, met=False) for of, rate in others)
        return Row(**known, aims=unmet, lacks=_lacks(network, config), reason=str(error))
    if simulate is not None:
        simulate(network, image)
    cycles = profile(image).cycles
    rate = None if engine.fmax_mhz is None else engine.fmax_mhz * 1e6 / cycles
    return Row(
        **known, cycles=cycles, inferences_per_s=rate, simulated=simulate is not None,
        utilisation=count(network).macs * config.step_cycles / (config.macs * cycles),
        aims=tuple(
            AimReached(of=of, inferences_per_s=least, met=None if rate is None else rate > least)
            for of, least in others
        ),
    )


def _lacks(network: Network, config: EngineConfig) -> tuple[Lack, ...]:
    least: dict[str, int] = {}
    for demand in survey(network, config).demands:
        if demand.size and demand.exceeds(config):
            least[demand.size] = max(demand.least, least.get(demand.size, 0))
    return tuple(
        Lack(size=size, needed=needed, has=getattr(config, size)) for size, needed in least.items()
    )


def _listed(rows: Sequence[Row]) -> str:
    return " or ".join(map(str, sorted({row.requant_terms for row in rows})))


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _beside(aim: AimReached) -> str:
    judged = {True: " met", False: " missed", None: ""}[aim.met]
    return f"{aim.of} {_number(aim.inferences_per_s)}{judged}"

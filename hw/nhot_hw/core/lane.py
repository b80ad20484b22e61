"""One dot-product lane as a product."""

from dataclasses import asdict
from functools import cached_property
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from nhot_hw.core.golden import lane_vectors
from nhot_hw.core.names import identifier
from nhot_hw.core.product import Family, Product, to_json
from nhot_hw.core.stimulus import lane_stimulus
from nhot_hw.core.timing import lane_timing
from nhot_hw.core.widths import check_step, steps_that_fit
from nhot_hw.lanes import Lane, LaneSpec

__all__ = ["LaneCore", "LaneProduct"]

# How each style goes on after the format in a title.
_STYLES = {
    "parallel": "", "chain": ", terms added in chains", "serial": ", one term of a weight a cycle",
    "rows": ", in rows of adder cells",
}

MEANINGS = {
    "i_x": "The activations of this step, input 0 in the low bits.",
    "i_w": "The weight fields of this step, input 0 in the low bits.",
    "i_en": "This cycle adds to the sum; any other may hold anything on i_x and i_w.",
    "i_first": "With i_en: this step begins a new sum. High in all cycles of that step.",
    "i_phase": "Which cycle of its step this is; i_x and i_w stay the same in all of them.",
    "i_bias": "What the sum begins at; read latency - 1 cycles after its i_first.",
    "o_sum": "The sum, latency cycles after its last i_en; stays as long after the next one.",
}


class LaneCore(wiring.Component):
    """A :class:`nhot_hw.lanes.Lane` without the ports that its spec makes no use of.

    Members
    -------
    i_x, i_w, i_en, i_first, o_sum : as of the lane
    i_phase : only where a step takes several cycles
    i_bias : only where the spec says ``bias``
    """

    def __init__(self, spec: LaneSpec):
        self.lane = spec.create()
        super().__init__(used_ports(self.lane))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lane = self.lane
        for name, member in self.signature.members.items():
            inner, outer = getattr(self.lane, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        return m


def used_ports(lane: Lane) -> dict[str, wiring.Member]:
    """The ports of a lane that a user drives or reads, signs included."""
    ports = dict(lane.signature.members.items())
    if lane.spec.ii == 1:
        del ports["i_phase"]
    return ports


class LaneProduct(Product):
    """A lane of ``spec``.

    Parameters
    ----------
    spec : LaneSpec
    name : str
        By default after format and inputs.
    family : {"portable", "ecp5"}
    proved : str
        What the width of the accumulator was proved for, if it was; otherwise it must hold one
        step whatever the weights.

    Raises
    ------
    NhotError
        The name is no identifier, or the accumulator holds no step.
    """

    FOLDERS = ("common", "sums", "lane")
    FLAT = True
    MEANINGS = MEANINGS

    def __init__(
        self, spec: LaneSpec, *, name: str | None = None, family: Family = "portable",
        proved: str = "",
    ):
        super().__init__(name or default_name(spec), family)
        if not proved:
            check_step(spec)
        self.spec = spec
        self.proved = proved

    @property
    def title(self) -> str:
        """What it is, in a line."""
        spec = self.spec
        inputs = f"{spec.inputs} input{'s' * (spec.inputs > 1)}"
        return f"Dot product of {inputs}, {spec.format.name} weights{_STYLES[spec.style]}"

    def create(self) -> LaneCore:
        """The gateware."""
        return LaneCore(self.spec)

    def data(self) -> dict[str, str]:
        """What model and bench know of the core, and its golden vectors."""
        return {
            "core.json": to_json(describe(self.spec)),
            "vectors.json": to_json({"sums": self._vectors}),
            "stimulus.hex": self._stimulus,
        }

    @cached_property
    def _vectors(self) -> list[dict[str, Any]]:
        return lane_vectors(self.spec)

    @cached_property
    def _stimulus(self) -> str:
        return lane_stimulus(self.spec, self.ports, self._vectors)

    def facts(self) -> dict[str, Any]:
        """What the templates say of it."""
        spec = self.spec
        return {
            **sum_facts(spec, self.proved), "latency": spec.latency,
            "covers": "every weight and random traffic", "sums": len(self._vectors),
            "cycles": self._stimulus.count("\n"),
            "timing": lane_timing(spec, self.component),
        }


def default_name(spec: LaneSpec) -> str:
    """Of a lane: after its format, style and inputs."""
    style = "" if spec.style == "parallel" else f"_{spec.style}"
    return f"nhot_{identifier(spec.format.name)}{style}_{spec.inputs}"


def sum_facts(spec: LaneSpec, proved: str) -> dict[str, Any]:
    """What texts say of the sums of a lane."""
    format = spec.format
    return {
        "spec": spec, "format": format, "proved": proved, "steps": steps_that_fit(spec),
        "inverted": bool(format.inverted_terms(format.levels[:, None]).any()),
        "contract": "sums/_contract.j2",
    }


def describe(spec: LaneSpec) -> dict[str, Any]:
    """The core as plain data: widths, times, and what each weight is on its port."""
    format = spec.format
    steps = format.levels[:, None]  # of one weight
    sizes = {key: value for key, value in asdict(spec).items() if key != "format"}
    return {
        "format": format.name, **sizes, "latency": spec.latency, "interval": spec.ii,
        "field_bits": format.field_bits, "shared_sign": bool(format.sign_codes),
        "levels": format.levels.tolist(),
        "fields": format.to_fields(steps)[:, 0].tolist(),
        "missing": format.inverted_terms(steps).tolist(),
    }

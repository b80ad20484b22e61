"""Networks at the limits of engines that are cut to fit them, down to the gateware."""

from __future__ import annotations

import json
import random

from nhot_sim.fuzz.kind import Kind

__all__ = ["Engines"]


class Engines(Kind):
    """A network is refused by name, or reference, image and gateware give the same integers."""

    unit = "networks"
    seconds = 600.0

    def case(self, source: random.Random) -> bytes:
        """The seed of a network and an engine."""
        return json.dumps({"seed": source.getrandbits(32)}).encode()

    def check(self, data: bytes) -> bool:
        """Compile, run in numpy and in Amaranth's simulator."""
        from nhot.testing.extremes import extreme_case
        from nhot_sim.extremes import check_case

        return check_case(extreme_case(json.loads(data)["seed"])) == "equal"

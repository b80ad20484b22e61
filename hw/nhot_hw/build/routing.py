"""Whether a router comes to its end, as far as its log shows it."""

import re

__all__ = ["diverging"]

_ROUND = re.compile(rb"^Info: +iter=(\d+) wires=\d+ overused=(\d+) ", re.MULTILINE)
_MANY = 1000  # overused wires; of fewer a router may lose some for a while


def diverging(log: bytes) -> str | None:
    """What a log of nextpnr's router2 says of a placement that it will not route; None if not so.

    Wires that several nets want are fewer in each round, until the last is gone. Where they have
    doubled since a round, a router would go on for hours: of 16 placements of this project's
    engines, 13 of which were routed, one did so; no other had more of them than in a round before,
    but where a few hundred were left.
    """
    rounds = [(int(number), int(overused)) for number, overused in _ROUND.findall(log)]
    if not rounds:
        return None
    (least_at, least), (at, now) = min(rounds, key=lambda one: one[1]), rounds[-1]
    if now < max(_MANY, 2 * least):
        return None
    return (
        f"router does not come to an end, with {least:,} overused wires in round {least_at} "
        f"and {now:,} in round {at}; another --seed may"
    )

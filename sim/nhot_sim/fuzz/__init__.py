"""Fuzz campaigns: damaged files, frames and odd engines, by seed; any of them is refused or right.

A *kind* (:class:`nhot_sim.fuzz.kind.Kind`) makes cases, which are bytes, and checks one. The
campaign runs them in processes of their own, where a crash, a hang or a flood of memory is a fault
like any other. The bytes of a fault go to a corpus, which the tests replay.
"""

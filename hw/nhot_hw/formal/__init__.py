"""What is proved of the gateware: specifications in Amaranth, for sby and z3."""

from nhot_hw.formal.proof import Outcome, Proof, Verdict, require
from nhot_hw.formal.sby import prove, prove_all

__all__ = ["Outcome", "Proof", "Verdict", "prove", "prove_all", "require"]

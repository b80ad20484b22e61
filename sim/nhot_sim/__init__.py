"""Verification: stream drivers, strategies, cocotb benches and their runner, the virtual board."""

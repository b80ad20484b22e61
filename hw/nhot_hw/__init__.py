"""Gateware: lanes, engine, interfaces, boards, and their Verilog."""

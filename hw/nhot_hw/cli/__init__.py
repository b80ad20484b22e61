"""The commands that need gateware: verilog, build, bench."""

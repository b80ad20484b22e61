"""Measurements of the gateware: what a lane of each format costs and how fast it runs."""

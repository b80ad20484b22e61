"""Boards: the protocol they speak, the ports they are reached by, and what can be asked of them."""

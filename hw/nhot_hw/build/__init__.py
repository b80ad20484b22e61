"""From a component to a bitstream with the open tools: synthesis, place and route, packing."""

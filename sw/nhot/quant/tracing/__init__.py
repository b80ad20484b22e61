"""From a torch module as it is written to the layers that are quantised."""

"""Single faults planted by rule in a copy of the tree, and what the tests notice of them."""

"""The registers of an engine on a bus: from SystemRDL to Python, C, SVD and a page."""

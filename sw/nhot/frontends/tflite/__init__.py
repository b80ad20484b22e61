"""TensorFlow Lite: what its file holds, and what its operators are here."""

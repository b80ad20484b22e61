"""Float networks to start from."""

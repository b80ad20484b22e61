"""What tests, fuzz campaigns and measurements are fed with: all from a seed, corners included."""

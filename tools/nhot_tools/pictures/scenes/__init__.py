"""What is simulated for each picture: a part, its inputs cycle by cycle, signals that are drawn.

The names of the functions are those of the pictures, their docstrings the titles.
"""

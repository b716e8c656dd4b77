"""Data sets with names, and where they come from."""

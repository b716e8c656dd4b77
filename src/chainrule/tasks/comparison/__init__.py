"""Real rows of a table beside drawn ones: what gives the drawn ones away, and whether they are copies."""

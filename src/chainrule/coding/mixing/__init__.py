"""Bytes coded bit by bit: many contexts of the file so far, and a model, mixed in whole numbers."""

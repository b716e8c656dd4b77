"""Benchmarks: ratios of time and size, beside peers and the limits of the machine."""

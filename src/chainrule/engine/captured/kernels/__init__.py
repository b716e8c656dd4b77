"""Kernels in Triton that take the place of several of torch's in a small step; `engine.captured.fused` calls them.

Each is an operation of torch, so that whoever records a step sees it. Grids follow from shapes alone.
"""

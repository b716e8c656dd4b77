"""What one half hour of a GPU is turned into: records, part by part; `tools/gpu.py` runs them."""

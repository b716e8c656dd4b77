"""A model as ONNX, to be run without torch: one step with its state, and the parallel pass."""

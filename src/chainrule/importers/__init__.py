"""Weights that other libraries have published, as models of this one."""

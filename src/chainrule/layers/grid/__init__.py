"""Causal layers of images: they read the pixels above and to the left."""

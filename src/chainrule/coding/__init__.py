"""Lossless compression: entropy coding with a model's conditionals."""

from chainrule.coding.items import compress, decompress

__all__ = ["compress", "decompress"]

"""Arithmetic whose every bit is defined, so that any machine computes the same conditionals."""

from chainrule.engine.portable.mode import Portable
from chainrule.engine.portable.steps import PortableHead, PortableSteps

__all__ = ["Portable", "PortableHead", "PortableSteps"]

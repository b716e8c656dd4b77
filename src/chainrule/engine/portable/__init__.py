"""Arithmetic whose every bit is defined, so that any machine computes the same conditionals."""

from chainrule.engine.portable.mode import Portable
from chainrule.engine.portable.registry import NotPortable
from chainrule.engine.portable.steps import PortableHead, PortableSteps

__all__ = ["NotPortable", "Portable", "PortableHead", "PortableSteps"]

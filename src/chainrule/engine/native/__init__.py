"""Steps as programs of one native loop: recorded from a model's own step, run by few instructions."""

from chainrule.engine.native.lower.external import register_elementwise
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.runner import NativeRunner
from chainrule.engine.native.trace import Unsupported

__all__ = ["NativeRunner", "Unsupported", "lowers", "register_elementwise"]

"""Steps as programs of one native loop: recorded from a model's own step, run by a machine of few operations."""

from chainrule.engine.native.interpreter import compiled
from chainrule.engine.native.runner import NativeRunner
from chainrule.engine.native.trace import Unsupported

__all__ = ["NativeRunner", "Unsupported", "compiled"]

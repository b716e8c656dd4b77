"""Steps as programs of one native loop: recorded from a model's own step, run by a machine of few operations."""

from chainrule.engine.native.machine import compiled
from chainrule.engine.native.record import Unsupported
from chainrule.engine.native.runner import NativeRunner

__all__ = ["NativeRunner", "Unsupported", "compiled"]

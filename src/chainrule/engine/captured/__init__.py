"""Steps of an accelerator: recorded once as operations on fixed memory, replayed without Python's part of the work."""

from chainrule.engine.captured.runner import CapturedRunner
from chainrule.engine.captured.trace import Unsupported

__all__ = ["CapturedRunner", "Unsupported"]

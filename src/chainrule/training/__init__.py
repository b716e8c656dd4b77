"""Fit a model: Lightning underneath, a run folder on top."""

from chainrule.training.config import TrainingConfig
from chainrule.training.device import find_device
from chainrule.training.fit import fit
from chainrule.training.recipe import Recipe
from chainrule.training.run import Run, load

__all__ = ["Recipe", "Run", "TrainingConfig", "find_device", "fit", "load"]

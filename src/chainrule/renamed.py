"""Public names of earlier versions: they still work, and warn with the name of today."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

NETWORKS = (
    "Gate", "GatedStack", "MultiScale", "Network", "PlusLevel", "PlusStack", "Raster", "RasterStack", "Reordered",
    "Replay", "RunningHidden", "SkipStack", "Stack",
)  # fmt: skip
# Module → name → where it is today. Nothing of it is imported before somebody asks for it.
RENAMED = {
    "chainrule.layers": {
        "Code": "chainrule.layers:Encoding",
        "NormedConv1d": "chainrule.layers:WeightNormConv1d",
        "Place": "chainrule.networks:RasterPhase",
        **{name: f"chainrule.networks:{name}" for name in NETWORKS},
    },
    "chainrule.flows": {
        "AdditiveCoupling": "chainrule.flows.coupling:additive",
        "AffineCoupling": "chainrule.flows:Coupling",
    },
    "chainrule.heads": {"Table": "chainrule.heads:CategoricalConditional"},
    "chainrule.tasks": {
        name: f"chainrule.reproduce:{name}" for name in ("list_tables", "recipes_of", "reproduce")
    },
}


def renamed(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module some of whose names are called otherwise today."""

    def find(name: str) -> Any:
        if name not in RENAMED[module]:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, today = RENAMED[module][name].partition(":")
        warnings.warn(f"{module}.{name} is now {place}.{today}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(place), today)

    return find

"""The laws of `testing.device` on every registered model, as entries of `tools/gpu.py`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from chainrule.models import list_models, tiny_model
from chainrule.testing.device import LAWS, check_on_device
from chainrule.testing.models import served_domains

if TYPE_CHECKING:
    from chainrule.bench.gpu.setting import Setting

GROUPS = 8  # of models, each in a process of its own
SHRUNK = ("fvsbn", "made")


def names(shrink: bool) -> list[str]:
    """Groups of models."""
    return [str(i) for i in range(1 if shrink else GROUPS)]


def measure(name: str, setting: Setting) -> Iterator[dict[str, Any]]:
    """Every law on the models of a group, in float32 and bf16; a record after each model."""
    warnings.simplefilter("ignore")
    models: dict[str, Any] = {}
    record = {"models": models, "broken": 0}
    for model in SHRUNK if setting.shrink else list_models()[int(name) :: GROUPS]:
        factory = partial(tiny_model, model)
        domains = served_domains(factory)[: 1 if setting.shrink else None]
        models[model] = {kind: check_on_device(factory, domains, setting.device, kind) for kind in LAWS}
        said = [outcome for kind in models[model].values() for outcome in kind.values()]
        record["broken"] += sum(outcome.startswith("broken") for outcome in said)
        yield record

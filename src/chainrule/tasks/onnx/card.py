"""What a sampler needs to know beside the graphs."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from chainrule._version import __version__
from chainrule.models import AutoregressiveModel
from chainrule.training import Run

FORMAT = 1


def make_card(model: AutoregressiveModel, run: Run | None, state: list[Tensor], names: list[str]) -> dict:
    """A description in JSON's types: the domain, the order of its variables, and the state to begin with.

    Args:
        model: what is exported.
        run: it comes from, for what its levels mean; None without one.
        state: before the first site, of one row.
        names: of these tensors as inputs of the step.
    """
    domain, network = model.domain, model.network
    return {
        "format": FORMAT,
        "chainrule": __version__,
        "model": model.name,
        "layout": domain.layout,
        "shape": list(domain.event_shape),
        "levels": domain.levels if isinstance(domain.levels, int) else list(domain.levels_per_variable),
        "lengths": domain.lengths,
        "sites": model.sites,
        "variables": model.head.variables,
        "order": model.ordering.variables.tolist(),
        "streams": network.supports_streaming,
        "vocabulary": run and run.vocabulary,
        "rate": run and run.rate,
        "state": [_leaf(name, leaf[0]) for name, leaf in zip(names, state, strict=True)],
    }


def _leaf(name: str, first: Tensor) -> dict[str, Any]:
    """A tensor of the state, of one row; one number where all are alike."""
    numbers = first.flatten()
    alike = bool((numbers == numbers[0]).all())
    return {
        "name": name,
        "type": str(first.dtype).removeprefix("torch."),
        "shape": list(first.shape),
        "initial": numbers[0].item() if alike else numbers.tolist(),
    }

"""The graphs are run by ONNX Runtime beside the model, before anybody relies on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel
from chainrule.tasks.onnx.convert import need
from chainrule.tasks.onnx.graphs import Leaves, logits

LEAST = 32  # sites that are compared, and all up to the first of the last kind
TOLERANCE = 1e-4


def prove(
    model: AutoregressiveModel,
    cond: Tensor | None,
    leaves: Leaves,
    names: Sequence[str],
    step: bytes,
    whole: bytes,
) -> float:
    """The largest difference of a log-probability between the model, the step and the parallel pass of a random item.

    Args:
        model: in evaluation mode, on the CPU.
        cond: (1, …).
        leaves: of its state.
        names: of their inputs.
        step, whole: both graphs.

    Raises:
        ChainruleError: if they differ by more than rounding.
    """
    levels = torch.tensor(model.domain.levels_per_variable).reshape(model.domain.event_shape)
    noise = torch.rand(1, *model.domain.event_shape, generator=torch.Generator().manual_seed(0))
    x = (noise * levels).long()
    first, second = (session(graph) for graph in (step, whole))
    sites, phases = model.to_sites(x), list(model.schedule())
    count = min(model.sites, max(LEAST, 1 + max(phases.index(phase) for phase in set(phases))))
    state = model.init_state(1, cond=cond)
    given = {name: leaf.numpy().copy() for name, leaf in zip(names, leaves.flatten(state), strict=True)}
    together = log_softmax(second.run(None, {"x": x.numpy()})[0])
    worst, variables = 0.0, model.head.variables
    for t in range(count):
        prev = sites[:, max(t - 1, 0)]
        params, state = model.step(prev, state, torch.tensor(t), phase=phases[t])
        ours = log_softmax(logits(model.head, params).numpy())
        alone, *after = first.run(None, {"prev": prev.numpy(), "t": np.array(t), **given})
        given = dict(zip(names, after, strict=True))
        for theirs in (log_softmax(alone), together[:, t * variables : (t + 1) * variables]):
            worst = max(worst, difference(ours, theirs))
    if not worst <= TOLERANCE:
        raise ChainruleError(
            f"export: ONNX Runtime's log-probabilities differ by {worst:.1g} from the model's, expected at most "
            f"{TOLERANCE:g}; nothing was written; sample with chainrule itself"
        )
    return worst


def session(graph: bytes) -> Any:
    """A graph in ONNX Runtime, which says nothing unless it fails."""
    ort = need("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def log_softmax(rows: np.ndarray) -> np.ndarray:
    """Log-probabilities of the last dimension, float64."""
    rows = rows.astype(np.float64)
    rows = rows - rows.max(-1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(-1, keepdims=True))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest one; infinite where only one is -inf, NaN where something is NaN."""
    same = a == b
    return float(np.abs(np.where(same, 0.0, a) - np.where(same, 0.0, b)).max())

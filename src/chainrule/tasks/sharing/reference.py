"""Nats of held-out items that go along with a packed run: its scores have ranks where its data are not."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from chainrule.data import Data
from chainrule.errors import RunError
from chainrule.models import Model
from chainrule.models.store import read_weights, write_tensors
from chainrule.run_files import REFERENCE
from chainrule.tasks.likelihood import log_probs

ITEMS = 1_000  # the first of the validation split
NATS = "valid_nats"


def write_reference(model: Model, data: Data, folder: Path) -> None:
    """Write the nats of the first held-out items, as `score` takes them by default."""
    items = data.items("valid").first(ITEMS)
    nats = -log_probs(model, items.x, items.cond if model.conditional else None)
    write_tensors({NATS: nats}, folder / REFERENCE)


def reference_of(folder: Path, n: int = ITEMS) -> Tensor | None:
    """Nats (N,) float64 of the first n held-out items, or all there were; None where fewer are stored.

    Raises:
        RunError: if the file holds something else.
    """
    path = folder / REFERENCE
    if not path.is_file():
        return None
    nats = read_weights(path).get(NATS)
    if nats is None or nats.dtype != torch.float64 or nats.ndim != 1 or len(nats) == 0 or nats.isnan().any():
        raise RunError(
            f"{path}: expected the nats of held-out items, found something else; pack the run again"
        )
    return nats[:n] if n <= ITEMS or len(nats) < ITEMS else None

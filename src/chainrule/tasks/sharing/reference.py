"""Nats of held-out items that go along with a packed run: its scores have ranks where its data are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from chainrule.data import Data
from chainrule.errors import RunError
from chainrule.models import Model
from chainrule.models.store import read_weights, write_tensors
from chainrule.run_files import REFERENCE
from chainrule.tasks.likelihood import log_probs

if TYPE_CHECKING:
    from chainrule.training import Run

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


def reference_for(
    run: Run, n: int = ITEMS, *, split: str = "valid", data_dir: str | Path | None = None, packed: bool = True
) -> dict[str, Tensor | None]:
    """What `score` compares items of a run with, as its arguments: held-out items, or their nats.

    Args:
        run: whose data they are.
        n: items at most.
        split: "train", "valid" or "test".
        data_dir: where named sets lie.
        packed: whether the nats that a packed run has will do.

    Returns:
        `reference_nats`; or `reference` and `reference_cond`, the first items of the split.

    Raises:
        RunError: if the run has no nats, and its data were made in Python, or are not what they were.
        DataError: if they are no longer there.
    """
    if packed and split == "valid" and run.folder is not None:
        nats = reference_of(run.folder, n)
        if nats is not None:
            return {"reference_nats": nats}
    data = run.load_data(data_dir)
    cond = data.cond(split) if run.model.conditional else None
    return {"reference": data.split(split)[0][:n], "reference_cond": None if cond is None else cond[:n]}

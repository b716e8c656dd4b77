"""Where an epoch is: the steps that are done, and the sum of what they cost. A checkpoint keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.devices import wide_sum
from chainrule.training.ranks import Ranks

if TYPE_CHECKING:
    import lightning.pytorch as pl

KEY = "chainrule_epoch"  # in a checkpoint, beside Lightning's own keys
BATCHES = "epoch_loop.batch_progress"  # Lightning's counts of passes, each in a loop of its own


class Sum:
    """The nats of the items that an epoch has trained on: a sum in float64, which does not grow with the epoch.

    Added up batch by batch, so that an epoch that was interrupted has the sum of one that was not, to the last bit.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin an epoch."""
        self.nats: Tensor | float = 0.0
        self.items = 0
        self.last: Tensor | None = None  # of the last batch, item by item

    def add(self, nats: Tensor) -> None:
        """Count a batch, without waiting for its device."""
        self.last = nats
        self.nats = self.nats + wide_sum(nats, 0)
        self.items += len(nats)

    def total(self, ranks: Ranks) -> tuple[float, int]:
        """Nats and items of all processes."""
        own = torch.tensor([float(self.nats), self.items], dtype=torch.float64)
        nats, items = ranks.total(own).tolist()
        return nats, int(items)


@dataclass(frozen=True)
class Position:
    """A place between two steps.

    Attributes:
        epoch: which one, from 0.
        steps: of the optimiser, that are done in it.
        nats, items: of all processes in these steps.
    """

    epoch: int
    steps: int
    nats: float
    items: int

    @classmethod
    def of(cls, trainer: pl.Trainer, trained: Sum, ranks: Ranks) -> Position:
        """Where a trainer is; called by all processes."""
        epochs: Any = trainer.fit_loop.epoch_progress.current
        passes = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        nats, items = trained.total(ranks)
        if epochs.processed == epochs.ready:  # the epoch is over, and so the next one is at its start
            return cls(epochs.processed, 0, 0.0, 0)
        return cls(epochs.processed, passes // ranks.accumulate, nats, items)

    def keep(self, checkpoint: dict[str, Any]) -> None:
        """Put it into a checkpoint."""
        checkpoint[KEY] = [self.epoch, self.steps, self.nats, self.items]

    @classmethod
    def kept(cls, checkpoint: dict[str, Any], steps: int) -> Position | None:
        """Where a checkpoint was written; None if an earlier version wrote it, which did so between epochs alone.

        Args:
            checkpoint: as it was read.
            steps: of an epoch.

        Raises:
            ValueError: if it is no place in an epoch.
        """
        if KEY not in checkpoint:
            return None
        found = cls(*checkpoint[KEY])
        if not (found.epoch >= 0 and 0 <= found.steps < steps):
            raise ValueError(f"expected a step in 0 … {steps - 1} of an epoch, got {found}")
        return found

    def restore(self, checkpoint: dict[str, Any], trained: Sum, ranks: Ranks) -> None:
        """Set the sum, and Lightning's count of passes: this process may make more or fewer of them a step.

        Lightning sees a checkpoint that was written as a batch ended, and goes on with the next one.
        """
        if not self.steps:
            return
        passes = self.steps * ranks.accumulate
        count = {"ready": passes, "started": passes, "processed": passes, "completed": passes - 1}
        checkpoint["loops"]["fit_loop"][BATCHES]["current"].update(count)
        if ranks.first:  # it has the sum of all
            trained.nats, trained.items = self.nats, self.items

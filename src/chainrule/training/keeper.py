"""When the checkpoint to resume from is written: after each epoch, and within one when some minutes have passed."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl

from chainrule.run_files import LAST
from chainrule.training.interrupts import Interrupts
from chainrule.training.recorder import Recorder
from chainrule.training.session import Session

LOOKS = 10  # how often several processes agree on the time from one checkpoint to the next


class Keeper(pl.Callback):
    """Write the checkpoint at the end of a step, after all other callbacks have had it.

    The last step of an epoch is no such place: its validation comes first.

    Args:
        session: where it is written, and after how many minutes.
        recorder: has the time of the training.
        interrupts: wait for the end of a step, so that what is done by then is kept.
    """

    def __init__(self, session: Session, recorder: Recorder, interrupts: Interrupts) -> None:
        self.session, self.recorder, self.interrupts = session, recorder, interrupts
        self.ranks, self.seconds = session.ranks, 60 * session.checkpoint_minutes
        self._kept = 0.0  # when it was written, by the clock
        self._look = 0  # the step at which the clock is looked at
        self._seen = (0, 0.0)  # when it last was: the step and the time

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """The minutes begin."""
        self._kept = time.monotonic()
        self._seen, self._look = (trainer.global_step, self._kept), 0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *args: Any) -> None:
        """From here on a signal waits, between the steps too."""
        self.interrupts.held = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """After a step, if it is time; then answer the signal that waits."""
        passes = index + 1
        if passes % self.ranks.accumulate:
            return
        self.interrupts.held = passes < trainer.num_training_batches and not trainer.should_stop
        if self.session.resumable and self.interrupts.held:
            stopped = self.ranks.world == 1 and self._stopped(trainer)
            if self._due(trainer.global_step) or stopped:
                self.recorder.take_time()
                self._write(trainer)
        self.interrupts.answer()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        index: int,
        *args: Any,
    ) -> None:
        """From its last batch on a signal waits again: the curve and the checkpoint are written together."""
        batches: Any = trainer.num_val_batches
        self.interrupts.held = index + 1 == batches[0]

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After the validation."""
        if self.session.resumable:
            self._write(trainer)
        self.interrupts.held = False
        self.interrupts.answer()

    def _write(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.session.folder / LAST)
        self._kept = time.monotonic()

    def _stopped(self, trainer: pl.Trainer) -> bool:
        """Whether this step is the last one; Lightning answers SIGTERM where nobody else does."""
        return self.interrupts.waiting is not None or trainer.received_sigterm

    def _due(self, step: int) -> bool:
        """Whether the minutes have passed, by the first process's clock."""
        if not self.seconds or step < self._look:
            return False
        due, self._look = self.ranks.told(self._decide(step) if self.ranks.first else None)
        return due

    def _decide(self, step: int) -> tuple[bool, int]:
        """Whether it is time, and the step at which to look again: to agree on it at each one would cost time."""
        now = time.monotonic()
        (first, since), self._seen = self._seen, (step, now)
        ahead = 1
        if self.ranks.world > 1:
            ahead += int((step - first) * self.seconds / LOOKS / max(now - since, 1e-9))
        return now - self._kept >= self.seconds, step + ahead

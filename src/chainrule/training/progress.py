"""The progress of training: a line that changes on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from chainrule.bits import is_density
from chainrule.training.recorder import Recorder
from chainrule.training.session import Session, minutes_in_words

PARTS = 10_000  # of the bar
WARM, TIMED = 5, 10  # steps before those that are timed, and these


class ProgressLine(pl.Callback):
    """A bar over all steps, or all of the time, with the last validation in nats and bits/dim, and the best so far.

    Where the line is wider than the terminal, the numbers are cut, not the bar, the time and the estimate. Where there
    is no terminal, each epoch prints a line.

    Args:
        recorder: where the curve is.
        console: where to draw.
        session: how it is called; it says at the start what training takes at most, at the end which limit ended it.
    """

    def __init__(self, recorder: Recorder, console: Console, session: Session) -> None:
        self.recorder, self.session = recorder, session
        whole = Column(no_wrap=True)
        self.bar = Progress(
            *([TextColumn(session.title)] if session.title else []),
            TextColumn("epoch {task.fields[epoch]:>4}"),
            BarColumn(bar_width=16, table_column=whole),
            TimeElapsedColumn(table_column=whole),
            TextColumn("left"),
            TimeRemainingColumn(table_column=whole),
            Numbers(),
            console=console,
            disable=not console.is_terminal,
        )

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the bar, where a resumed run left it."""
        self._first, self._since = trainer.global_step, 0.0
        epochs, steps = self.recorder.epochs, self._steps(trainer)
        limits = f"at most {epochs} epoch{'s' * (epochs > 1)} of {steps:,.0f} step{'s' * (steps > 1)}"
        if minutes := self.recorder.config.minutes:
            limits += f" or {minutes_in_words(minutes)}"
        self.session.say(f"{limits}: {self.session.reason}" if self.session.reason else limits)
        self.task = self.bar.add_task(
            "", total=PARTS, completed=self._done(trainer), epoch=trainer.current_epoch, numbers=""
        )
        self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *args: object) -> None:
        """One step further; after some, how long all will take."""
        self._estimate(trainer)
        self.bar.update(self.task, completed=self._done(trainer), epoch=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the validation that has just been recorded."""
        last, best = self.recorder.history[-1], self.recorder.best or {}
        model: Any = module.model
        unit = "nats (density)" if is_density(model.domain) else "nats"
        numbers = [f"valid {last['valid_nats']:.2f} {unit}"]
        if not math.isnan(last["valid_bits_per_dim"]):
            numbers.append(f"{last['valid_bits_per_dim']:.3f} bits/dim")
        numbers += [f"best {best['valid_nats']:.2f}", f"train {last['train_nats']:.2f}"]
        self.bar.update(self.task, numbers="  ".join(numbers))
        if self.bar.disable:
            self.session.say(f"epoch {self._place(last)}: {'  '.join(numbers)}")

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say how far it came, and why no further."""
        self.bar.stop()
        epochs, most = trainer.global_step / self._steps(trainer), self.recorder.epochs
        why = f", then stopped: {self.recorder.ended}" if epochs < most else ""
        self.session.say(f"{round(epochs, 2):g} of {most} epochs{why}")

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Leave the terminal as it was."""
        if self.bar.live.is_started:
            self.bar.stop()

    def _place(self, last: dict[str, float]) -> str:
        """Such as "3 of 10 (0:01:10, about 0:02:40 left)", by the time so far and the part that is done."""
        done = self.bar.tasks[0].percentage / 100
        left = f", about {_clock(last['seconds'] * (1 / done - 1))} left" if 0 < done < 1 else ""
        return f"{last['epoch'] + 1:.0f} of {self.recorder.epochs} ({_clock(last['seconds'])}{left})"

    def _estimate(self, trainer: pl.Trainer) -> None:
        """Say the time of a few steps, after the first ones, times their number; validations come on top."""
        step, now = trainer.global_step, time.perf_counter()
        if step == self._first + WARM:
            self._since = now
        if step == self._first + WARM + TIMED and self._since:
            each, self._since = (now - self._since) / TIMED, 0.0
            left = self._steps(trainer) * self.recorder.epochs - step
            minutes = each * left / 60
            if minutes >= 1:
                self.session.say(
                    f"{left:,.0f} steps are left, {each:.2g} s each: about {_in_words(minutes)} for all epochs"
                )

    def _done(self, trainer: pl.Trainer) -> int:
        """How many parts of the steps are done, or of the time are over, whichever is more."""
        steps = self._steps(trainer) * self.recorder.epochs
        return round(PARTS * max(trainer.global_step / steps, self.recorder.share))

    @staticmethod
    def _steps(trainer: pl.Trainer) -> float:
        """The number of steps of an epoch."""
        return int(trainer.num_training_batches) / trainer.accumulate_grad_batches


class Numbers(ProgressColumn):
    """The last validation, on one line, cut where the terminal ends."""

    def render(self, task: Task) -> Text:
        """See rich."""
        return Text(task.fields["numbers"], no_wrap=True, overflow="ellipsis")


def _clock(seconds: float) -> str:
    """Such as "0:01:10"."""
    return str(timedelta(seconds=round(seconds)))


def _in_words(minutes: float) -> str:
    """Such as "12 minutes" or "3.5 hours"."""
    return f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} minutes"

"""One line that shows the progress of training."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from chainrule.bits import is_density
from chainrule.training.recorder import Recorder


class ProgressLine(pl.Callback):
    """A bar over all steps, with the last validation in nats, and bits/dim of a likelihood, and the best so far.

    Args:
        recorder: where the curve is.
        console: where to draw.
        title: in front of the bar.
    """

    def __init__(self, recorder: Recorder, console: Console, title: str = "") -> None:
        self.recorder = recorder
        self.bar = Progress(
            *([TextColumn(title)] if title else []),
            TextColumn("epoch {task.fields[epoch]:>4}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the bar, where a resumed run left it."""
        steps = int(trainer.num_training_batches) * int(trainer.max_epochs or 1)
        self.task = self.bar.add_task(
            "", total=steps, completed=trainer.global_step, epoch=trainer.current_epoch, numbers=""
        )
        self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *args: object) -> None:
        """One step further."""
        self.bar.update(self.task, completed=trainer.global_step, epoch=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the validation that has just been recorded."""
        last, best = self.recorder.history[-1], self.recorder.best or {}
        model: Any = module.model
        unit = "nats (density)" if is_density(model.domain) else "nats"
        numbers = [f"train {last['train_nats']:.2f}", f"valid {last['valid_nats']:.2f} {unit}"]
        if not math.isnan(last["valid_bits_per_dim"]):
            numbers.append(f"{last['valid_bits_per_dim']:.3f} bits/dim")
        numbers.append(f"best {best['valid_nats']:.2f}")
        self.bar.update(self.task, numbers="  ".join(numbers))

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Leave the terminal as it was."""
        self.bar.stop()

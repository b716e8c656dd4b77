"""Where one training takes place, and what it is compared to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from chainrule.training.ranks import Ranks

# What is lost at most where the power fails. Writing even gigabytes takes a small part of that time.
CHECKPOINT_MINUTES = 10.0


def no_rival(epochs: int) -> float:
    """No other run to compare with."""
    return math.inf


@dataclass(frozen=True)
class Session:
    """One training: where it runs, what is kept of it, and what is shown.

    Attributes:
        folder: of the run.
        device: see `find_device`.
        resume: whether to go on from the folder's checkpoint, if there is one.
        resumable: whether to write checkpoints.
        progress: whether to show a bar, and to say which limit ended it.
        title: what it is called beside the bar.
        reason: why it is as long as it is, where that follows from the data.
        rival: number of epochs → the lowest validation of other runs within it; halfway, a run that is worse stops.
        ranks: the processes that share it.
        loggers: names of `loggers.LOGGERS`, or Lightning's own, which get each validation and every 50th step.
        callbacks: Lightning's, beside our own.
        checkpoint_minutes: after which a checkpoint is written within an epoch too; 0 for never.
        deterministic: whether torch may use deterministic kernels only.
    """

    folder: Path
    device: torch.device
    resume: bool = False
    resumable: bool = True
    progress: bool = True
    title: str = ""
    reason: str = ""
    rival: Callable[[int], float] = no_rival
    ranks: Ranks = field(default_factory=Ranks)
    loggers: tuple[Any, ...] = ()
    callbacks: tuple[Any, ...] = ()
    checkpoint_minutes: float = CHECKPOINT_MINUTES
    deterministic: bool = False

    def say(self, text: str) -> None:
        """Print a line, after the title, if progress is shown."""
        from rich.console import Console

        if self.progress:
            console = Console(stderr=True, markup=False, emoji=False, highlight=False)
            console.print(f"{self.title}: {text}" if self.title else text, soft_wrap=True)


def minutes_in_words(minutes: float) -> str:
    """Such as "2 minutes"."""
    return f"{minutes:.3g} minute{'' if minutes == 1 else 's'}"

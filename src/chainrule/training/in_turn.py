"""Lightning saves torch's global generators and puts them back as training starts: in turn, as others do."""

from __future__ import annotations

from contextlib import ExitStack

import lightning.pytorch as pl

from chainrule.randomness import TURN


class InTurn(pl.Callback):
    """Hold the generators from before Lightning's sanity check, which needs none of them, until training starts."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Wait for them."""
        self._held.enter_context(TURN)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Let others draw."""
        self.release()

    def release(self) -> None:
        """Let others draw, if they could not."""
        self._held.close()

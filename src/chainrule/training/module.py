"""The Lightning module: the loss, and the optimiser with its schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from chainrule.devices import unseen
from chainrule.engine import exact_arithmetic
from chainrule.models import Model
from chainrule.randomness import seeded
from chainrule.training.batches import EpochOrder, InOrder
from chainrule.training.compiled import compiled
from chainrule.training.config import OPTIMIZERS, TrainingConfig
from chainrule.training.mutation import mutated
from chainrule.training.position import Position, Sum
from chainrule.training.shift import shifted

APART = 0x9E3779B97F4A7C15  # between the seeds of a batch's parts


class Likelihood(pl.LightningModule):
    """The model's loss, mostly its negative log-likelihood, per variable: so that its size is not that of the data.

    Args:
        model: what is trained.
        config: how.
        steps: optimiser steps in all, for the cosine.
        elapsed: the seconds of training so far, for the cosine where time is limited.
        train: in which order training items come.
        valid: in which order items of the validation do.
        called: the modules that a pass calls, where the model is to be cut into shares.
    """

    def __init__(
        self,
        model: Model,
        config: TrainingConfig,
        steps: int,
        elapsed: Callable[[], float],
        train: EpochOrder,
        valid: InOrder,
        called: Collection[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.elapsed, self.train_order, self.valid_order = elapsed, train, valid
        self.ranks, self._called = train.ranks, [called]  # in a list: they are modules of the model
        self._compiled = compiled(model.loss) if config.compile else None
        self.model, self.config, self.steps = model, config, steps
        self._trained: list[Tensor] = []
        self.trained = Sum()
        self.valid_nats: list[Tensor] = []
        self.valid_variables: list[Tensor] = []  # of each item, those that are counted

    def __setattr__(self, name: str, value: Any) -> None:
        """torch's own searches all parameters; Lightning notes the hook it is in some twenty times a step."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch."""
        self.trained.clear()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """Nats per variable, averaged over the batch."""
        # Each step has its own seed: a resumed run draws the dropout, shifts and mutations it would have drawn.
        part = self.ranks.part(index)
        seed = self.config.seed * 1_000_003 + self.global_step + part * APART
        with unseen(), seeded(seed % 2**63, self.device):
            if self.config.shift:
                batch = [shifted(batch[0], self.model.domain, self.config.shift), *batch[1:]]
            if self.config.mutate:
                batch = [mutated(batch[0], self.model.domain, self.config.mutate), *batch[1:]]
            nats = (self._compiled or self.model.loss)(*batch)
        weight = self.train_order.weight(index)
        if weight:
            self.trained.add(nats.detach())
        return nats.mean() * weight / self.model.domain.size

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.valid_nats.clear()
        self.valid_variables.clear()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Keep the nats of each item, computed in full precision as every stated likelihood is."""
        nth = self.valid_order.nth(index)
        seed = self.config.seed * 1_000_003 + nth  # of what bounds draw, the same in every epoch
        with exact_arithmetic(self.model), unseen(), seeded(seed, self.device):
            nats = self.model.valid_loss(*batch)
        if nth >= self.valid_order.batches:
            return  # another process has it
        self.valid_nats.append(nats)
        self.valid_variables.append(self.model.counted(batch[0]).flatten(1).sum(1))

    def configure_model(self) -> None:
        """Cut the model into shares, where no process is to hold it in full."""
        if self.ranks.sharded:
            from chainrule.training.sharding import shard

            strategy: Any = self.trainer.strategy
            shard(self.model, self._called[0], strategy.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Any:
        """The optimiser, and a rate that rises over `warmup` steps, then falls along half a cosine."""
        config = self.config
        trained = self._trained = [p for p in self.model.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": [p for p in trained if p.ndim > 1 or config.decay_biases]}]
        biases = [p for p in trained if p.ndim < 2 and not config.decay_biases]
        if biases:
            groups.append({"params": biases, "weight_decay": 0.0})
        optimizer = OPTIMIZERS[config.optimizer](groups, lr=config.lr, weight_decay=config.weight_decay)

        def rate(step: int) -> float:
            rise = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
            done = step / self.steps
            if config.minutes:
                done = max(done, self.elapsed() / (60 * config.minutes))
            return rise * (0.5 * (1 + math.cos(math.pi * min(done, 1))) if config.cosine else 1.0)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """With where the epoch is."""
        Position.of(self.trainer, self.trained, self.ranks).keep(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on at the next batch; the rate is that of the configuration, should another one have been asked for."""
        position = Position.kept(checkpoint, self.train_order.steps)
        if position is not None:
            self.train_order.go_on(position.epoch, position.steps)
            position.restore(checkpoint, self.trained, self.ranks)
        for state in checkpoint["optimizer_states"]:
            for group in state["param_groups"]:
                if group["initial_lr"] != self.config.lr:
                    group["lr"] = group["initial_lr"] = self.config.lr
        for schedule in checkpoint["lr_schedulers"]:
            schedule["base_lrs"] = [self.config.lr] * len(schedule["base_lrs"])

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of the gradient: Lightning's own way refuses fused optimisers, as if gradients were scaled."""
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self._trained, gradient_clip_val)

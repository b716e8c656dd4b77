"""How a model is trained, with defaults that do well unasked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import torch

from chainrule.devices import computes_in_bf16
from chainrule.errors import ChainruleError, nearest
from chainrule.training.length import (
    BATCHES,
    FEW_BATCHES,
    batch_for,
    default_steps,
    epochs_for,
    validations_for,
)
from chainrule.training.muon import Muon

# Fused: one pass over each parameter instead of seven, a fifth of a step of MADE.
OPTIMIZERS: dict[str, Any] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adamax": torch.optim.Adamax,
    "muon": Muon,
}
PRECISIONS = {"auto": None, "bf16": "bf16-mixed", "float32": "32-true"}


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters of training; a model's `training_defaults` take the place of these defaults.

    Attributes:
        epochs: passes over the training data, at most; 0 for the number that makes `steps` optimiser steps.
        steps: with `epochs` 0; 10 epochs at least. 0 for a number that follows that of the training items, see
            `length`. Small data are then passed several times an epoch, so that it has 50 steps or more.
        least_steps: where their number follows from the items; vectors and tables have 12,000. The record of a run has
            its length instead.
        validations: of a pass over the items; each then ends an epoch, which is this part of a pass. Where nothing says
            how long training is, one every 20,000 steps at least.
        batch_size: items a step; 0 for about a 128th of the training items, between 8 and 64. Where none is given, few
            items have less than 64.
        optimizer: "adamw", "adamax", or "muon", whose steps cost more and reach further; see `training.muon`.
        lr: peak learning rate.
        weight_decay: of the optimiser.
        decay_biases: whether it is of biases too; rare levels need large ones.
        warmup: steps over which the rate rises linearly.
        cosine: whether the rate then falls to 0 along half a cosine.
        clip: largest norm of the gradient of nats per variable; 0 for no limit.
        ema: decay of the running average of the weights that is validated and kept; 0 for none.
        patience: epochs without a better validation before stopping; 0 never stops.
        minutes: of training at most, of all trials together; 0 for no limit. Where the time ends before the epochs
            do, the cosine falls along it, and one validation follows. Such a run depends on the machine's speed, so it
            cannot be repeated exactly.
        precision: "float32", "bf16" (autocast), or "auto", which is bf16 where the hardware computes in it.
        compile: whether the loss is compiled by `torch.compile`: a minute or more at first, faster steps then.
            Watch the first epochs: on a GPU (torch 2.11, bf16) grey images diverged compiled, and not otherwise.
        mutate: probability with which each variable of a training item is any of its levels instead: for the background
            model of a likelihood ratio. Validation is on the data as they are.
        shift: places by which each training image is moved at most, each way, and each piano roll along its keys. For
            few items. Validation is on the data as they are.
        seed: of initial weights, order of the data, dropout, shifts and mutations.
    """

    epochs: int = 0
    steps: int = 0
    least_steps: int = 2_000
    validations: int = 1
    batch_size: int = 64
    optimizer: str = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.1
    decay_biases: bool = True
    warmup: int = 50
    cosine: bool = True
    clip: float = 1.0
    ema: float = 0.99
    patience: int = 40
    minutes: float = 0.0
    precision: str = "auto"
    compile: bool = False
    mutate: float = 0.0
    shift: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "steps",
            "least_steps",
            "batch_size",
            "lr",
            "weight_decay",
            "warmup",
            "clip",
            "patience",
            "minutes",
            "shift",
        ):
            if not getattr(self, name) >= 0:
                raise ChainruleError(f"{name}: expected a number ≥ 0, got {getattr(self, name)}")
        if self.validations < 1:
            raise ChainruleError(f"validations: expected an integer ≥ 1, got {self.validations}")
        if not 0 <= self.seed < 2**32:
            raise ChainruleError(f"seed: expected an integer in [0, 2^32), got {self.seed}")
        if not 0 <= self.ema < 1:
            raise ChainruleError(f"ema: expected a decay in [0, 1), got {self.ema}")
        if not 0 <= self.mutate <= 1:
            raise ChainruleError(f"mutate: expected a probability in [0, 1], got {self.mutate}")
        for name, known in (("optimizer", OPTIMIZERS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ChainruleError(
                    f"{name}: unknown {getattr(self, name)!r}; {nearest(getattr(self, name), known)}"
                )

    @classmethod
    def of(cls, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> TrainingConfig:
        """The configuration with a model's defaults, and what was given over them.

        Raises:
            ChainruleError: on an unknown name, with the nearest one, or a value out of range.
        """
        kinds = {field.name: type(field.default) for field in fields(cls)}
        for name, value in given.items():
            if name not in kinds:
                raise ChainruleError(f"unknown training option {name!r}; {nearest(name, kinds)}")
            number = kinds[name] is float and type(value) is int
            if not number and type(value) is not kinds[name]:
                raise ChainruleError(f"{name}: expected {kinds[name].__name__}, got {value!r}")
        return cls(**{**defaults, **given})

    def to_dict(self) -> dict:
        """All fields of a run whose length is settled, as `of({}, …)` takes them back."""
        left_out = {
            "least_steps",
            *(["validations"] if self.validations == 1 else []),
            *([] if self.shift else ["shift"]),
        }  # as earlier versions did
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def batch_of(self, items: int) -> int:
        """The batch size for this number of training items."""
        return self.batch_size or batch_for(items, BATCHES)

    def plan(self, items: int) -> tuple[int, int]:
        """The number of epochs, and how many passes over the items each of them is; or a part, by `validations`."""
        epochs, passes = self.epochs, 1
        if not epochs:
            steps, least = (self.steps, 10) if self.steps else (default_steps(items, self.least_steps), 1)
            epochs, passes = epochs_for(steps, items, self.batch_of(items), least)
        return epochs * self.validations, passes

    def settled(self, items: int, given: Collection[str]) -> tuple[TrainingConfig, str]:
        """What follows from the number of training items, where it is not given; a run records it as if it were.

        Args:
            items: of training.
            given: names of what is given, by the model too.

        Returns:
            The configuration, and why training is as long as it is; empty if that is given.
        """
        config = self
        if "batch_size" not in given:
            config = replace(self, batch_size=batch_for(items, FEW_BATCHES))
        if self.epochs or self.steps:
            return config, ""
        sooner = f", fewer if {self.patience} bring no better validation" if self.patience else ""
        reason = f"the default for {items:,} items in batches of {config.batch_of(items)}{sooner}"
        epochs, passes = replace(config, validations=1).plan(items)
        if "validations" not in given:
            config = replace(config, validations=validations_for(items, config.batch_of(items)))
        if passes > 1:
            return replace(config, steps=default_steps(items, self.least_steps)), reason
        return replace(config, epochs=epochs), reason

    def lightning_precision(self, device: torch.device) -> Any:
        """What Lightning calls the precision on this device."""
        return PRECISIONS[self.precision] or ("bf16-mixed" if computes_in_bf16(device) else "32-true")

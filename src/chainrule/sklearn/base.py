"""What the estimators share: parameters, reading X, training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import FLOAT_DTYPES, check_is_fitted, validate_data
from torch import Tensor

from chainrule.data import Data
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model, create_model
from chainrule.models.base.capabilities import Factorises, Marginalises
from chainrule.randomness import seeded
from chainrule.sklearn.rows import Rows, array_type, as_frame, domain_of
from chainrule.training.config import TrainingConfig
from chainrule.training.fit import fit

STEPS, MOST_PASSES = 1600, 200  # of training, unless epochs are given
EPOCH = 50  # steps of an epoch, at least: `TrainingConfig.plan` passes few rows several times
# Fewer training rows have too few beside them to choose an amount of noise by: this much is taken.
NOISE = {"made": (100, {"dropout": 0.5, "input_dropout": 0.2}), "deep-nade": (300, {"dropout": 0.3})}
# Models that lose nothing in fewer steps, with narrower layers and a higher learning rate than their own.
SHORT = {"made": (1000, 256, 1e-2)}
CELLS = 1 << 14  # of a chunk when scoring or drawing
UNHEARD = 1e-6  # the probability of a missing cell where training had none; no such row is drawn


class AutoregressiveEstimator(BaseEstimator):
    """Base of the estimators; see `AutoregressiveDensity` for the parameters."""

    def __init__(
        self,
        model: str = "made",
        *,
        hyperparameters: Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        training: Mapping[str, Any] | None = None,
        validation_fraction: float = 0.1,
        random_state: Any = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.hyperparameters = hyperparameters
        self.columns = columns
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.training = training
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        """X as a frame of pandas or an array of floats, with the features of training."""
        if not reset:
            check_is_fitted(self)
        X = as_frame(X)
        if isinstance(X, pd.DataFrame):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(self, X, reset=reset, dtype=FLOAT_DTYPES, ensure_all_finite="allow-nan")

    def _fit(self, X: Any) -> tuple[Tensor, Tensor]:
        """Train; the rows as the model takes them (N, D), and which of them were held out (N,)."""
        if not 0 < self.validation_fraction < 1:
            raise ChainruleError(
                f"validation_fraction: expected a number in (0, 1), got {self.validation_fraction}"
            )
        dtype = array_type(X)
        X = self._read(X, reset=True)
        if len(X) < 2:
            raise ChainruleError(f"X: expected at least 2 samples, one for validation, got {len(X)} sample")
        rows, seed = Rows.of(X, self.columns, dtype), draw_seed(self.random_state)
        held = min(max(1, round(len(X) * self.validation_fraction)), len(X) - 1)
        model = self._create(rows, len(X) - held, seed)
        x = torch.from_numpy(rows.encode(X))
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        options = self._options(len(x) - held, seed)
        train, valid = x[order[held:]], x[order[:held]]
        data = Data("X", train, valid, valid, model.domain)
        run = fit(model, data, device=self.device, progress=bool(self.verbose), **options)
        # In double precision a row's likelihood does not depend on which rows it is scored with.
        self.model_ = run.model.cpu().double()
        self.columns_ = rows.columns
        self.history_ = run.metrics
        self._rows = rows
        # Where no training cell was missing: a cell to stand in for one that is; NaN in columns that have gaps.
        gaps = torch.tensor([column.missing for column in run.model.domain.columns] or [False] * x.shape[1])
        self._usual = torch.where(gaps, torch.nan, x.nanmedian(0).values)
        held_out = torch.zeros(len(x), dtype=torch.bool)
        held_out[order[:held]] = True
        return x, held_out

    def _create(self, rows: Rows, n: int, seed: int) -> Model:
        """The model for n rows with seeded weights; one that sums missing cells out may get any cell missing."""
        hyperparameters = dict(self.hyperparameters or {})
        few, noise = NOISE.get(self.model, (0, {}))
        if n < few and "dropout" not in hyperparameters:
            hyperparameters = noise | hyperparameters
        if self.model in SHORT:
            width = max(SHORT[self.model][1], len(rows.columns))
            hyperparameters = {"hidden": [width, width]} | hyperparameters
        with seeded(seed):
            model = create_model(self.model, domain_of(rows.columns), **hyperparameters)
        if not isinstance(model, Marginalises):
            return model
        with seeded(seed):
            gaps = [replace(column, missing=True) for column in rows.columns]
            return create_model(self.model, domain_of(gaps), **hyperparameters)

    def _options(self, n: int, seed: int) -> dict[str, Any]:
        """Options of training on n rows, and how long it lasts."""
        own = dict(self.training or {})
        for name in ("epochs", "batch_size", "lr"):
            if name in own and getattr(self, name) is not None:
                raise ChainruleError(f"{name}: expected it once, got it in training= as well")
        given = own.get("epochs", self.epochs)
        if given == 0:
            raise ChainruleError("epochs: expected an integer ≥ 1, got 0")
        batch_size = min(max(n // 20, 16), 128) if self.batch_size is None else int(self.batch_size)
        options: dict[str, Any] = {"batch_size": batch_size, "seed": seed}
        if given is None:
            options |= self._length(n, batch_size)
        else:
            options |= {"epochs": given, "patience": max(given // 3, 10)}
        if self.lr is not None:
            options["lr"] = float(self.lr)
        elif self.model in SHORT:
            options["lr"] = SHORT[self.model][2]
        return options | own

    def _length(self, n: int, batch_size: int) -> dict[str, int]:
        """How long training on n rows lasts, and its patience."""
        steps = -(-n // max(batch_size, 1))  # of a pass
        most = SHORT[self.model][0] if self.model in SHORT else STEPS
        if steps >= EPOCH:
            epochs = max(most // steps, 1)
            return {"epochs": epochs, "patience": max(2 * epochs // 5, 3)}
        most = min(most, MOST_PASSES * steps)
        epochs, _ = TrainingConfig(epochs=0, steps=most, batch_size=batch_size).plan(n)
        return {"epochs": 0, "steps": most, "patience": 2 * epochs // 5}

    def _encode(self, X: Any, **options: Any) -> Tensor:
        """Rows as the model takes them, (N, D)."""
        x = self._rows.encode(X, self.model_.domain.columns, **options)
        return torch.from_numpy(x).to(self.model_.device)

    def _rows_to_score(self, X: Any) -> Tensor:
        """Rows as the model takes them, (N, D), NaN also where training had no missing cell, if these have a term."""
        return self._encode(self._read(X), allow_missing=isinstance(self.model_, Factorises))

    def _log_prob(self, x: Tensor) -> np.ndarray:
        """The log-likelihood of each row as the model takes it (N, D), (N,) nats.

        A missing cell of a column that had none in training costs log UNHEARD, and the cells after it see a usual one.
        """
        odd = x.isnan() & ~self._usual.isnan()
        rows = torch.where(odd, self._usual.to(x), x).split(chunk(x.shape[1]))
        with exact_arithmetic(self.model_):
            if not odd.any():
                return torch.cat([self.model_.log_prob(part) for part in rows]).cpu().numpy()
            terms = torch.cat([self.model_.log_prob(part, reduce=False) for part in rows]).double()
        return torch.where(odd, math.log(UNHEARD), terms).sum(1).cpu().numpy()


def draw_seed(random_state: Any) -> int:
    """A seed for torch, of what scikit-learn takes for a random state."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def chunk(variables: int) -> int:
    """How many rows to work on at once."""
    return max(CELLS // variables, 1)

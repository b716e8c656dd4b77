"""What the estimators share: parameters, reading X, training."""

from __future__ import annotations

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
from chainrule.models.base.capabilities import Marginalises
from chainrule.randomness import seeded
from chainrule.sklearn.rows import Rows, as_frame, domain_of
from chainrule.training.fit import fit

STEPS, MOST_EPOCHS = 1600, 200  # of training, unless epochs are given
# Models that lose nothing in fewer steps, with narrower layers and a higher learning rate than their own.
SHORT = {"made": (1000, 256, 1e-2)}
CELLS = 1 << 14  # of a chunk when scoring or drawing


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
        X = self._read(X, reset=True)
        if len(X) < 2:
            raise ChainruleError(f"X: expected at least 2 samples, one for validation, got {len(X)} sample")
        rows, seed = Rows.of(X, self.columns), draw_seed(self.random_state)
        model = self._create(rows, seed)
        x = torch.from_numpy(rows.encode(X))
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        held = min(max(1, round(len(x) * self.validation_fraction)), len(x) - 1)
        options = self._options(len(x) - held, seed)
        train, valid = x[order[held:]], x[order[:held]]
        data = Data("X", train, valid, valid, model.domain)
        run = fit(model, data, device=self.device, progress=bool(self.verbose), **options)
        # In double precision a row's likelihood does not depend on which rows it is scored with.
        self.model_ = run.model.cpu().double()
        self.columns_ = rows.columns
        self.history_ = run.metrics
        self._rows = rows
        held_out = torch.zeros(len(x), dtype=torch.bool)
        held_out[order[:held]] = True
        return x, held_out

    def _create(self, rows: Rows, seed: int) -> Model:
        """The model with seeded weights; one that sums missing cells out may get any cell missing."""
        hyperparameters = dict(self.hyperparameters or {})
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
        """Options of training on n rows: 1000 or 1600 steps, at most 200 epochs, and a patience of a third of them."""
        own = dict(self.training or {})
        for name in ("epochs", "batch_size", "lr"):
            if name in own and getattr(self, name) is not None:
                raise ChainruleError(f"{name}: expected it once, got it in training= as well")
        if own.get("epochs", self.epochs) == 0:
            raise ChainruleError("epochs: expected an integer ≥ 1, got 0")
        batch_size = min(max(n // 20, 16), 128) if self.batch_size is None else int(self.batch_size)
        steps = -(-n // max(batch_size, 1))
        most = SHORT[self.model][0] if self.model in SHORT else STEPS
        epochs = min(max(most // steps, 1), MOST_EPOCHS) if self.epochs is None else int(self.epochs)
        options: dict[str, Any] = {
            "epochs": epochs,
            "batch_size": batch_size,
            "seed": seed,
            "patience": max(epochs // 3, 10),
        }
        if self.lr is not None:
            options["lr"] = float(self.lr)
        elif self.model in SHORT:
            options["lr"] = SHORT[self.model][2]
        return options | own

    def _encode(self, X: Any, **options: Any) -> Tensor:
        """Rows as the model takes them, (N, D)."""
        x = self._rows.encode(X, self.model_.domain.columns, **options)
        return torch.from_numpy(x).to(self.model_.device)

    def _log_prob(self, x: Tensor) -> np.ndarray:
        """The log-likelihood of each row as the model takes it (N, D), (N,) nats."""
        with exact_arithmetic(self.model_):
            parts = [self.model_.log_prob(part) for part in x.split(chunk(x.shape[1]))]
        return torch.cat(parts).cpu().numpy()


def draw_seed(random_state: Any) -> int:
    """A seed for torch, of what scikit-learn takes for a random state."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def chunk(variables: int) -> int:
    """How many rows to work on at once."""
    return max(CELLS // variables, 1)

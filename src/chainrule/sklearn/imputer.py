"""Imputation: `AutoregressiveImputer`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Self

import torch
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from torch import Tensor

from chainrule.engine.noise import RowNoise
from chainrule.errors import ChainruleError, nearest
from chainrule.models.base.capabilities import Marginalises
from chainrule.sklearn.base import AutoregressiveEstimator, chunk, draw_seed
from chainrule.sklearn.fingerprints import fingerprints
from chainrule.sklearn.rows import array_type, as_frame
from chainrule.tasks.gaps import rows_with_gaps

STRATEGIES = ("sample", "most_probable", "mean")
PARTICLES = 16  # candidates for a draw, of models that see only what comes before


class AutoregressiveImputer(OneToOneFeatureMixin, TransformerMixin, AutoregressiveEstimator):
    """Fill missing cells (NaN) from the joint distribution of a row given its other cells.

    Parameters
    ----------
    model : str, default="deep-nade"
        A name of `chainrule.list_models()`. "deep-nade" conditions on any cells exactly, and learns from rows with
        missing cells by leaving these out. Other models weight 16 candidates per draw by the later known values.

    strategy : {"sample", "most_probable", "mean"}, default="sample"
        One draw from the distribution, which keeps variances and correlations; the most probable value of one cell
        after the other; or over `n_draws` draws the mean of numbers (rounded in integer columns) and the most
        frequent category, which has the least expected error.

    n_draws : int, default=20
        For the strategy "mean".

    random_state : int, RandomState instance or None, default=None
        Seed of training and of the draws. With an int, what a row is filled with depends on its cells and the seed
        alone, not on the rows beside it.

    hyperparameters, columns, epochs, batch_size, lr, training, validation_fraction, device, verbose
        As of :class:`AutoregressiveDensity`.

    Attributes
    ----------
    model_, columns_, history_, n_features_in_, feature_names_in_
        As of :class:`AutoregressiveDensity`.

    References
    ----------
    Uria, Murray, Larochelle (2014), "A deep and tractable density estimator", https://arxiv.org/abs/1310.1757

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.sklearn import AutoregressiveImputer
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> X[::4, 1] = np.nan
    >>> bool(np.isnan(AutoregressiveImputer(epochs=2, random_state=0).fit_transform(X)).any())
    False
    """

    def __init__(
        self,
        model: str = "deep-nade",
        *,
        strategy: str = "sample",
        n_draws: int = 20,
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
        super().__init__(
            model,
            hyperparameters=hyperparameters,
            columns=columns,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            training=training,
            validation_fraction=validation_fraction,
            random_state=random_state,
            device=device,
            verbose=verbose,
        )
        self.strategy = strategy
        self.n_draws = n_draws

    def fit(self, X: Any, y: None = None) -> Self:
        """Train on the rows X of shape (n_samples, n_features), an array or a DataFrame; y is ignored."""
        if self.strategy not in STRATEGIES:
            raise ChainruleError(f"strategy: unknown {self.strategy!r}; {nearest(self.strategy, STRATEGIES)}")
        if self.n_draws < 1:
            raise ChainruleError(f"n_draws: expected an integer ≥ 1, got {self.n_draws}")
        self._fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """X with its missing cells filled: an array, or a DataFrame with the training one's types."""
        dtype = array_type(X)
        given, X = X, self._read(X)
        x = self._encode(X, allow_missing=True)
        if dtype is not None and dtype.kind != "f":  # which has no gaps
            return as_frame(given).copy()
        gaps = x.isnan()
        rows = rows_with_gaps(gaps)
        seed, whole = draw_seed(self.random_state), isinstance(self.random_state, Integral)
        generator = torch.Generator().manual_seed(seed)
        draws = self.n_draws if self.strategy == "mean" else 1
        for part in rows.split(chunk(x.shape[1] * draws)) if len(rows) else ():
            noise: Any = RowNoise(fingerprints(x[part].cpu().numpy(), seed)) if whole else generator
            filled = self._summary(self._draw(x[part], draws, noise))
            x[part] = torch.where(gaps[part], filled.to(x.dtype), x[part])
        return self._rows.filled(x.cpu().numpy(), X)

    def _draw(self, x: Tensor, draws: int, generator: Any) -> Tensor:
        """(B, D) → (B, draws, D)."""
        particles = {} if isinstance(self.model_, Marginalises) else {"particles": PARTICLES}
        temperature = 0.0 if self.strategy == "most_probable" else 1.0
        return self.model_.complete(x, ~x.isnan(), draws, generator, temperature=temperature, **particles)

    def _summary(self, drawn: Tensor) -> Tensor:
        """(B, draws, D) → (B, D): the mean of numbers, the most frequent category."""
        columns = []
        for column, cells in zip(self.columns_, drawn.unbind(2), strict=True):
            if column.categories:
                columns.append(cells.mode(1).values)
            else:
                step = 1.0 if column.kind == "integer" else column.step
                columns.append(cells.mean(1) if step is None else (cells.mean(1) / step).round() * step)
        return torch.stack(columns, 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

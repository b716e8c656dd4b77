"""Density estimation: `AutoregressiveDensity`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ChainruleError
from chainrule.sklearn.base import AutoregressiveEstimator, chunk, draw_seed
from chainrule.tasks.posterior import Posterior, posterior
from chainrule.tasks.predict import summary
from chainrule.tasks.sample_given import sample_given


class AutoregressiveDensity(DensityMixin, AutoregressiveEstimator):
    """Density of rows of any kinds of columns, p(x) = ∏ p(x_d | x_<d), by a neural network.

    Read more in the page "With scikit-learn".

    Parameters
    ----------
    model : str, default="made"
        A name of `chainrule.list_models()`.

    hyperparameters : dict, default=None
        Hyperparameters of that model, over its defaults.

    columns : dict or "infer", default=None
        Column name → "categorical", "number", "integer", "real", "date" or "drop". The columns of a DataFrame are
        inferred, see `chainrule.data.columns`, and `columns` overrides. In an array, and in a DataFrame whose labels
        are 0, 1, 2, …, columns are x0, x1, … and all numbers are real, whole ones too, unless `columns` says
        otherwise; "infer" infers these as well. Rows come out in the array's type, whole numbers rounded.

    epochs : int, default=None
        Passes over the training rows, at most; training ends early when validation has not become better in a third of
        them. By default what makes 1000 steps of "made", 1600 of others, but no more than 200 passes, and two fifths of
        them; where a pass has fewer than 50 steps, validation looks after several. Where a model tries several
        settings, as "made" does on 100 to 12,000 training rows unless its `dropout` is given, this holds for each.

    batch_size : int, default=None
        Rows a step; by default 1/20 of the rows, between 16 and 128.

    lr : float, default=None
        Highest learning rate; by default the model's.

    training : dict, default=None
        Other options of training, as `chainrule.fit` takes them: {"weight_decay": 0.01, "minutes": 1}, say.

    validation_fraction : float, default=0.1
        Part of the rows that is held out to choose among the epochs.

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the split and the order of the rows. An int gives the same model each time.

    device : str, default="auto"
        Where to train: "auto", "cpu", "cuda". The fitted model is on the CPU.

    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    model_ : Model
        The fitted model, of chainrule's own interface, in double precision.

    columns_ : tuple of Column
        What each column was taken for.

    history_ : list of dict
        Of each epoch: train_nats, valid_nats, seconds and more; empty for a model estimated in closed form.

    n_features_in_ : int
        Number of columns.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where they are all strings.

    Notes
    -----
    A missing cell (NaN) is left out of the likelihood by models that know every conditional ("deep-nade", "eonade").
    For the others it is an outcome with a probability of its own, in the columns that had one in training; in the rest
    it has a probability of 10⁻⁶, or is an error where a model has no term of each column. A category never seen in
    training has a small probability.

    References
    ----------
    Germain, Gregor, Murray, Larochelle (2015), "MADE: masked autoencoder for distribution estimation",
    https://arxiv.org/abs/1502.03509

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.sklearn import AutoregressiveDensity
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> density = AutoregressiveDensity(epochs=2, random_state=0).fit(X)
    >>> density.score_samples(X).shape, density.sample(5, random_state=0).shape
    ((100,), (5, 3))
    """

    def fit(self, X: Any, y: None = None) -> Self:
        """Train on the rows X of shape (n_samples, n_features), an array or a DataFrame; y is ignored."""
        self._fit(X)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log-likelihood of each row, (n_samples,) nats: a log-density in the columns that are real."""
        return self._log_prob(self._rows_to_score(X))

    def score(self, X: Any, y: None = None) -> float:
        """Mean log-likelihood of the rows, nats: higher is better. As GaussianMixture's; KernelDensity's is a sum."""
        return float(self.score_samples(X).mean())

    def sample(
        self,
        n_samples: int = 1,
        random_state: Any = None,
        *,
        given: Mapping[str, Any] | None = None,
        ids: str | None = None,
    ) -> Any:
        """Draw rows: an array, or a DataFrame with the training one's columns and types.

        Args:
            n_samples: number of rows.
            random_state: seed of the draws.
            given: conditions: column → a value, a set of values, or a range, `cr.between(40, None)`.
            ids: "fresh" for new cells of the columns that are not modelled: numbers and texts such as u00012 go on
                after the largest, UUIDs are random, free text stays empty. By default these columns are left out.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ChainruleError(f"n_samples: expected an integer ≥ 1, got {n_samples}")
        seed = draw_seed(random_state)
        generator = torch.Generator().manual_seed(seed)
        if given is not None:
            rows = sample_given(self.model_, n_samples, self._given(given), generator=generator).items
            return self._rows.decode(rows.cpu().numpy(), ids, seed)
        most = chunk(self.n_features_in_)
        sizes = [min(most, n_samples - start) for start in range(0, n_samples, most)]
        drawn = torch.cat([self.model_.sample(size, generator=generator) for size in sizes])
        return self._rows.decode(drawn.cpu().numpy(), ids, seed)

    def predict_column(
        self, X: Any, column: str, *, quantile: float | None = None, mean: bool = False
    ) -> Any:
        """One column of each row given the others: the most probable category; of numbers the median.

        Args:
            X: rows (n_samples, n_features); the column itself is not read.
            column: its name; of an array x0, x1, …
            quantile: of numbers, in (0, 1), instead of the median.
            mean: take the mean of numbers instead.

        Returns:
            (n_samples,) an array.
        """
        found, d = self._posterior(X, column)
        return self._rows.decode_column(
            d, summary(found, bool(self.columns_[d].categories), quantile, mean).numpy()
        )

    def predict_column_proba(self, X: Any, column: str) -> pd.DataFrame:
        """The probability of each value of one column in each row, given the others: (n_samples, values).

        Args:
            X, column: as of `predict_column`; a column of categories, or of numbers on a grid of at most 512 cells.
        """
        found, d = self._posterior(X, column)
        if not found.enumerated:
            raise ChainruleError(
                f"predict_column_proba: column {column!r} has too many values; use predict_column with a quantile"
            )
        values = self._rows.decode_column(d, found.values[0].numpy())
        return pd.DataFrame(found.probabilities.numpy(), columns=pd.Index(values, name=column))

    def _posterior(self, X: Any, column: str) -> tuple[Posterior, int]:
        x, d = self._encode(self._read(X), allow_missing=True), self._rows.index(column)
        x[:, d] = 0.0  # not read
        return posterior(self.model_, x, d), d

    def _given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Conditions by the names that the model's domain has: of reals alone, numbers."""
        if self.model_.domain.columns:
            return dict(given)
        return {str(self._rows.index(name)): condition for name, condition in given.items()}

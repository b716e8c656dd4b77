"""Outlier detection: `AutoregressiveOutlierDetector`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin

from chainrule.errors import ChainruleError
from chainrule.sklearn.base import AutoregressiveEstimator


class AutoregressiveOutlierDetector(OutlierMixin, AutoregressiveEstimator):
    """Rows of low likelihood are outliers.

    Parameters
    ----------
    model, hyperparameters, columns, epochs, batch_size, lr, validation_fraction, random_state, device, verbose
        As of :class:`AutoregressiveDensity`.

    contamination : float, default=0.1
        Part of the training rows, in (0, 0.5], that are to be outliers: it sets the threshold.

    Attributes
    ----------
    offset_ : float
        The threshold in nats: the quantile `contamination` of all training rows' log-likelihoods. New rows are a
        little less likely than those trained on, so that somewhat more of them fall below it.

    model_, columns_, history_, n_features_in_, feature_names_in_
        As of :class:`AutoregressiveDensity`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.sklearn import AutoregressiveOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> detector = AutoregressiveOutlierDetector(epochs=2, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    10
    """

    def __init__(
        self,
        model: str = "made",
        *,
        contamination: float = 0.1,
        hyperparameters: Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
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
            validation_fraction=validation_fraction,
            random_state=random_state,
            device=device,
            verbose=verbose,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: None = None) -> Self:
        """Train on the rows X of shape (n_samples, n_features), an array or a DataFrame; y is ignored."""
        if not 0 < self.contamination <= 0.5:
            raise ChainruleError(f"contamination: expected a number in (0, 0.5], got {self.contamination}")
        scores = self._log_prob(self._fit(X))
        self.offset_ = float(np.quantile(scores, self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log-likelihood of each row, (n_samples,) nats; the lower, the more abnormal."""
        return self._log_prob(self._read(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`, (n_samples,) nats: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, 1 for the others, (n_samples,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

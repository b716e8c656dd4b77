"""Outlier detection: `AutoregressiveOutlierDetector`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin

from chainrule.errors import ChainruleError
from chainrule.sklearn.base import AutoregressiveEstimator
from chainrule.sklearn.fingerprints import fingerprints


class AutoregressiveOutlierDetector(OutlierMixin, AutoregressiveEstimator):
    """Rows of low likelihood are outliers.

    Parameters
    ----------
    model, hyperparameters, columns, epochs, batch_size, lr, training, random_state, device, verbose
        As of :class:`AutoregressiveDensity`.

    validation_fraction : float, default=0.2
        Part of the rows that is held out, to choose among the epochs and to set the threshold.

    contamination : float or "auto", default=0.1
        Part of the rows, in (0, 0.5], that are to be outliers; "auto" for those whose log-likelihood lies more than
        1.5 interquartile ranges below the lower quartile of the held-out rows' (Tukey's fence).

    Attributes
    ----------
    offset_ : float
        The threshold in nats: a little below the quantile `contamination` of held-out rows' log-likelihoods. About that
        part of new rows lies below it.

    optimism_ : float
        Nats by which rows are likelier for having been trained on, at the threshold. It is taken off the scores of
        the training rows, which are recognised, so that `contamination` holds for them as well.

    model_, columns_, history_, n_features_in_, feature_names_in_
        As of :class:`AutoregressiveDensity`.

    References
    ----------
    Tukey (1977), "Exploratory data analysis"; on thresholds from held-out rows Vovk, Gammerman, Shafer (2005),
    "Algorithmic learning in a random world".

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
        contamination: float | str = 0.1,
        hyperparameters: Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        training: Mapping[str, Any] | None = None,
        validation_fraction: float = 0.2,
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
        self.contamination = contamination

    def fit(self, X: Any, y: None = None) -> Self:
        """Train on the rows X of shape (n_samples, n_features), an array or a DataFrame; y is ignored."""
        auto = isinstance(self.contamination, str)
        if self.contamination != "auto" if auto else not 0 < self.contamination <= 0.5:
            raise ChainruleError(
                f"contamination: expected a number in (0, 0.5] or 'auto', got {self.contamination!r}"
            )
        x, held_out = self._fit(X)
        scores = self._log_prob(self._encode(self._read(X)))
        train, usual = np.sort(scores[~held_out]), scores[held_out]
        if auto:
            low, high = np.quantile(usual, [0.25, 0.75])
            self.offset_, self.optimism_ = _below(float(low - 1.5 * (high - low))), 0.0
        else:
            share = float(self.contamination)
            # As many of M below it as makes the chance of a new row `contamination`, over draws of the M rows too.
            self.offset_ = _below(float(np.quantile(usual, share, method="weibull")))
            wanted = round(share * len(scores)) - int((usual < self.offset_).sum())
            place = min(max(wanted, 1), len(train) - 1)
            self.optimism_ = float(train[place - 1 : place + 1].mean()) - self.offset_
        self._trained = fingerprints(x[~held_out].numpy())
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log-likelihood of each row, less `optimism_` of rows trained on, (n_samples,) nats; low is abnormal."""
        x = self._rows_to_score(X)
        seen = np.isin(fingerprints(x.cpu().numpy()), self._trained)
        return self._log_prob(x) - np.where(seen, self.optimism_, 0.0)

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`, (n_samples,) nats: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, 1 for the others, (n_samples,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)


def _below(score: float) -> float:
    """A little lower: a held-out row may have just this score, whose last bits depend on the rows it is scored with."""
    return score - 1e-9 * max(abs(score), 1.0)

"""How well hidden cells were filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

INTERVAL = (0.1, 0.9)  # quantiles of the draws between which 80 % of the numbers should lie


def judge_imputation(
    truth: pd.DataFrame, hidden: np.ndarray, point: pd.DataFrame, draws: pd.DataFrame | None, scale: pd.Series
) -> dict[str, float]:
    """Figures over all hidden cells; NaN where there are none of a kind.

    Args:
        truth: (N, D).
        hidden: (N, D) which cells were hidden.
        point: (N, D) filled.
        draws: of several filled tables, one after another; None for a peer that gives a point only, which counts as
            a single draw.
        scale: standard deviations of the numbers.

    Returns:
        rmse of numbers, in standard deviations of their columns; accuracy of categories; score, the mean energy score
        (of numbers the CRPS in standard deviations, of categories with distance 0 or 1; lower is better); coverage,
        the share of numbers within the 80 % interval of the draws.
    """
    errors, right, scores, covered = [], [], [], []
    many = point if draws is None else draws
    for d, name in enumerate(truth):
        rows = hidden[:, d]
        filled = many[name].to_numpy().reshape(-1, len(truth))[:, rows]
        wanted, guess = truth[name].to_numpy()[rows], point[name].to_numpy()[rows]
        if name in scale:
            filled, wanted, guess = (each.astype(float) / scale[name] for each in (filled, wanted, guess))
            errors.append((guess - wanted) ** 2)
            low, high = np.quantile(filled, INTERVAL, axis=0) if len(filled) > 1 else (np.nan, np.nan)
            inside = (low - 1e-9 <= wanted) & (wanted <= high + 1e-9)
            covered.append(inside.astype(float) if len(filled) > 1 else np.full(len(wanted), np.nan))
        else:
            right.append(guess == wanted)
        scores.append(_energy(filled, wanted, name in scale))
    return {
        "rmse": float(np.sqrt(_mean(errors))),
        "accuracy": _mean(right),
        "score": _mean(scores),
        "coverage": _mean(covered),
    }


def _energy(draws: np.ndarray, wanted: np.ndarray, number: bool) -> np.ndarray:
    """E|X - x| - E|X - X'| / 2 of each cell (n,) by draws (K, n); a single draw is a distribution without spread."""

    def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.abs(a - b) if number else (a != b).astype(float)

    far = apart(draws, wanted).mean(0)
    count = len(draws)
    if count == 1:
        return far
    pairs = sum(apart(draws, np.roll(draws, shift, axis=0)).sum(0) for shift in range(1, count))
    return far - pairs / (2 * count * (count - 1))


def _mean(parts: list[np.ndarray]) -> float:
    values = np.concatenate(parts) if parts else np.empty(0)
    return float(values.mean()) if len(values) else float("nan")

"""How well columns were drawn, and hidden cells filled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chainrule.tasks.comparison.cells import CATEGORY, read_cells
from chainrule.tasks.comparison.marginals import marginal

if TYPE_CHECKING:
    import pandas as pd

OFTEN = 5  # training rows of a level whose share is judged
INTERVAL = (0.1, 0.9)  # quantiles of the draws between which 80 % of the numbers should lie


def judge_columns(train: pd.DataFrame, test: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, float]:
    """Figures over all columns, each by itself; NaN where there are none of a kind.

    Args:
        train, test: real rows; all of them are what drawn ones are compared with, but for shares of single values,
            which are those of the training rows.
        drawn: rows.

    Returns:
        distance_ratio: mean of `Marginal.ratio`, how many times as far drawn cells are from real ones as real ones from
        each other; farthest_number, the largest of numbers; outside: mean share of drawn cells outside the range, the
        decimals or the categories of the real ones; negative: largest share of negative numbers, where no real one is;
        frequent_gap: largest difference of the shares of a column's most frequent value; level_gap: largest difference
        of a category's shares, of levels with five training rows or more, in standard errors of both.
    """
    import pandas as pd

    columns, _ = read_cells({"real": pd.concat([train, test]), "drawn": drawn})
    marginals = [marginal(cells) for cells in columns]
    ratios = np.array([each.ratio for each in marginals])
    numbers = np.array([each.kind != CATEGORY for each in marginals])
    gaps, levels, negative = [], [], []
    for cells in columns:
        known, new = cells.present(0)[: train[cells.name].notna().sum()], cells.present(1)
        values, counts = np.unique(known, return_counts=True)
        shares, its = counts / len(known), np.array([(new == value).mean() for value in values])
        gaps.append(float(abs(its - shares)[counts.argmax()]))
        if cells.kind == CATEGORY:
            error = np.sqrt(shares * (1 - shares) * (1 / len(known) + 1 / len(new)))
            levels += list((abs(its - shares) / error.clip(1e-9))[counts >= OFTEN])
        elif (cells.present(0) >= 0).all():
            negative.append(float((new < 0).mean()))
    return {
        "distance_ratio": _mean([ratios[~np.isnan(ratios)]]),
        "farthest_number": max(ratios[numbers & ~np.isnan(ratios)], default=math.nan),
        "outside": _mean([np.array([each.outside for each in marginals])]),
        "negative": max(negative, default=math.nan),
        "frequent_gap": max(gaps),
        "level_gap": max(levels, default=math.nan),
    }


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

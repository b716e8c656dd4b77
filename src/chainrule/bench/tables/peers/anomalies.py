"""Peers that score anomalies: (usual rows, rows to score, request) → "scores", the higher the more anomalous."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from matrix import Matrix

Frames = dict[str, pd.DataFrame]


def chainrule(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Ours, at its defaults."""
    from chainrule.sklearn import AutoregressiveOutlierDetector

    detector = AutoregressiveOutlierDetector(random_state=request["seed"]).fit(train)
    return {"scores": pd.DataFrame({"score": -detector.score_samples(test)})}


def _pyod(module: str, name: str, seeded: bool = False) -> Any:
    """A detector of PyOD on standardised numbers and one-hot categories, missing cells at the mean."""

    def score(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
        import importlib

        detector = getattr(importlib.import_module(f"pyod.models.{module}"), name)
        options = {"random_state": request["seed"]} if seeded else {}
        matrix = Matrix(train)
        known = matrix.encode(train)
        means = np.nan_to_num(np.nanmean(known, axis=0))
        known, new = (np.where(np.isnan(rows), means, rows) for rows in (known, matrix.encode(test)))
        return {"scores": pd.DataFrame({"score": detector(**options).fit(known).decision_function(new)})}

    return score


PEERS = {
    "chainrule": chainrule,
    "ecod": _pyod("ecod", "ECOD"),
    "copod": _pyod("copod", "COPOD"),
    "iforest": _pyod("iforest", "IForest", seeded=True),
    "lof": _pyod("lof", "LOF"),
    "knn": _pyod("knn", "KNN"),
}

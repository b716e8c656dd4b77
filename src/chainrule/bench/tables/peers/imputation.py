"""Peers that fill missing cells: (training rows, rows to fill, request) → "point", and "draws", one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from matrix import Matrix

Frames = dict[str, pd.DataFrame]


def chainrule(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Ours, at its defaults: the point is the mean, or the most frequent category, of its draws."""
    from chainrule.sklearn import AutoregressiveImputer

    imputer = AutoregressiveImputer(random_state=request["seed"]).fit(train)
    draws = []
    for seed in range(request["draws"]):
        draws.append(imputer.set_params(random_state=seed).transform(test))
    return of_draws(draws)


def of_draws(draws: list[pd.DataFrame]) -> Frames:
    """The point of several draws, and all of them."""
    draws = [frame.reset_index(drop=True) for frame in draws]
    point = draws[0].copy()
    for name in point:
        cells = pd.concat([frame[name] for frame in draws], axis=1)
        if pd.api.types.is_numeric_dtype(point[name]):
            point[name] = cells.astype(float).mean(axis=1)
        else:
            point[name] = cells.astype(object).mode(axis=1)[0]
    return {"point": point, "draws": pd.concat(draws, ignore_index=True)}


def _scikit_learn(make: Callable[[dict, bool], Any], drawing: bool = False) -> Any:
    """An imputer of scikit-learn on standardised numbers and one-hot categories."""

    def fill(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401

        matrix = Matrix(train)
        known, holes = matrix.encode(train), matrix.encode(test)
        found = {"point": matrix.decode(make(request, False).fit(known).transform(holes))}
        if drawing:
            imputer = make(request, True).fit(known)
            draws = [matrix.decode(imputer.transform(holes)) for _ in range(request["draws"])]
            found["draws"] = pd.concat(draws, ignore_index=True)
        return found

    return fill


def _linear(request: dict, drawing: bool) -> Any:
    from sklearn.impute import IterativeImputer

    return IterativeImputer(
        sample_posterior=drawing,
        random_state=np.random.RandomState(request["seed"]),
        keep_empty_features=True,
    )


def _forests(request: dict, drawing: bool) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.impute import IterativeImputer

    trees = RandomForestRegressor(50, max_depth=12, random_state=request["seed"])
    return IterativeImputer(trees, max_iter=5, random_state=request["seed"], keep_empty_features=True)


def _neighbours(request: dict, drawing: bool) -> Any:
    from sklearn.impute import KNNImputer

    return KNNImputer(keep_empty_features=True)


def miceforest(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Chained LightGBM with predictive mean matching; one data set for each draw."""
    import miceforest as mf

    both = pd.concat([train, test], ignore_index=True)
    kernel = mf.ImputationKernel(both, num_datasets=request["draws"], random_state=request["seed"])
    kernel.mice(3)
    return of_draws([kernel.complete_data(d)[len(train) :] for d in range(request["draws"])])


def hyperimpute(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Its default: the best learner of each column, found on the way."""
    from hyperimpute.plugins.imputers import Imputers

    matrix = Matrix(train, codes=True)
    both = pd.DataFrame(matrix.encode(pd.concat([train, test], ignore_index=True)))
    filled = Imputers().get("hyperimpute", random_state=request["seed"]).fit_transform(both)
    return {"point": matrix.decode(filled.to_numpy()[len(train) :])}


def unmasking_trees(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Unmasking trees, with the kinds of columns given."""
    from synthesis import _kind
    from utrees import UnmaskingTrees

    matrix = Matrix(train, codes=True)
    model = UnmaskingTrees(random_state=request["seed"])
    model.fit(matrix.encode(train), quantize_cols=[_kind(cells) for _, cells in train.items()])
    return of_draws([matrix.decode(rows) for rows in model.impute(request["draws"], matrix.encode(test))])


PEERS = {
    "chainrule": chainrule,
    "iterative-linear": _scikit_learn(_linear, drawing=True),
    "iterative-forests": _scikit_learn(_forests),
    "knn": _scikit_learn(_neighbours),
    "miceforest": miceforest,
    "hyperimpute": hyperimpute,
    "unmasking-trees": unmasking_trees,
}

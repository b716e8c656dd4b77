"""Fill the hidden cells of a real table in several ways: write benchmarks/imputation.json, docs/figures/imputation.svg.

scikit-learn's wines: 178 rows, 13 numbers, and the cultivar as text. Each split hides 30 % of all cells, those of the
training rows too, so that every method learns from gappy rows. Scores are those of the test rows' hidden cells.

Usage: python tools/imputation.py     (three minutes; with --draw, the picture of the record alone)
"""

import json
import math
import sys
import time
import warnings
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.base import RegressorMixin
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  makes IterativeImputer importable
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.files import write_text
from chainrule.records import circumstances, to_json
from chainrule.sklearn import AutoregressiveImputer
from charts import FIGURES, STYLE
from charts import OURS as BLUE
from records import ROOT

RECORD = ROOT / "benchmarks" / "imputation.json"
CLASS, NAMES = "cultivar", ["class_0", "class_1", "class_2"]
SPLITS, HIDDEN, TEST = 5, 0.3, 54
SHOWN = ("flavanoids", "color_intensity")  # of the picture
LEAST = 0.01  # probability that a linear regression gives a class
SIMPLE, LINEAR, FOREST = "SimpleImputer", "IterativeImputer, linear", "IterativeImputer, forests"
OURS, OURS_DRAWN = "AutoregressiveImputer, mean", "AutoregressiveImputer, sample"
Filled = tuple[pd.DataFrame, float]  # the filled test rows, nats of a hidden cell


def wines() -> pd.DataFrame:
    """The table; all numbers are taken for real."""
    wine = load_wine(as_frame=True)
    return wine.data.assign(**{CLASS: wine.target.map(dict(enumerate(NAMES)))})


def fill_by_column(train: pd.DataFrame, test: pd.DataFrame, truth: pd.DataFrame) -> Filled:
    """Mean and most frequent; a normal and the frequencies of each column."""
    numbers = test.columns.drop(CLASS)
    filled = test.copy()
    filled[numbers] = SimpleImputer().fit(train[numbers]).transform(test[numbers])
    filled[CLASS] = test[CLASS].fillna(train[CLASS].mode()[0])
    frequencies = train[CLASS].value_counts(normalize=True).reindex(NAMES)
    chances = np.tile(frequencies.to_numpy(), (len(test), 1))
    return filled, normal_nats(test, truth, filled, train[numbers].std(), chances)


def fill_iteratively(
    regressor: RegressorMixin, train: pd.DataFrame, test: pd.DataFrame, truth: pd.DataFrame
) -> Filled:
    """scikit-learn's regressions of each column on all others, standardised; the class as columns of 0 and 1.

    Its densities are normals around the filled value. Their widths come from the training rows: another 30 % of their
    cells are hidden and filled, and what that misses by is a column's residual.
    """
    imputer = make_pipeline(StandardScaler(), IterativeImputer(regressor, random_state=0)).fit(coded(train))
    scaler = imputer[0]

    def fill(table: pd.DataFrame) -> pd.DataFrame:
        values = scaler.inverse_transform(imputer.transform(coded(table)))
        return pd.DataFrame(values, table.index, coded(table).columns)

    again = train.mask(hide(train, seed=0))
    missed = coded(train) - fill(again)
    residual = missed.where(again.isna().reindex(columns=missed.columns, fill_value=False)).std()
    filled = fill(test)
    chances = filled[NAMES[1:]].to_numpy()
    chances = np.column_stack([1 - chances.sum(1), chances]).clip(LEAST, 1)
    chances /= chances.sum(1, keepdims=True)
    filled[CLASS] = test[CLASS].fillna(pd.Series(np.take(NAMES, chances.argmax(1)), test.index))
    return filled[test.columns], normal_nats(test, truth, filled, residual, chances)


def fill_by_joint(train: pd.DataFrame, test: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Filled]:
    """From p(hidden | observed), whose density is exact: one net gives both, in an order with the hidden cells last."""
    imputer = AutoregressiveImputer(columns=dict.fromkeys(train.columns.drop(CLASS), "real"), random_state=0)
    imputer.fit(train)
    nats = joint_nats(imputer, test, truth)
    return {
        OURS: (imputer.set_params(strategy="mean", n_draws=100).transform(test), nats),
        OURS_DRAWN: (imputer.set_params(strategy="sample").transform(test), nats),
    }


def joint_nats(imputer: AutoregressiveImputer, test: pd.DataFrame, truth: pd.DataFrame) -> float:
    """Mean -log p of a hidden cell: -(log p(row) - log p(its observed cells)), a row in an order of its own."""
    model = imputer.model_
    full = imputer._encode(imputer._read(truth))
    gaps = torch.from_numpy(test.isna().to_numpy())
    total = 0.0
    for row, gap in zip(full, gaps, strict=True):
        member = model.in_order(torch.argsort(gap.long(), stable=True)).eval()
        both = torch.stack([row, row.masked_fill(gap, math.nan)])
        with torch.no_grad():
            whole, observed = member.log_prob(both).tolist()
        total -= whole - observed
    return total / int(gaps.sum())


def normal_nats(
    test: pd.DataFrame, truth: pd.DataFrame, filled: pd.DataFrame, width: pd.Series, chances: np.ndarray
) -> float:
    """Mean -log p of a hidden cell: normals of the columns' widths around the filled value, chances of classes."""
    numbers = test.columns.drop(CLASS)
    z = (truth[numbers] - filled[numbers]) / width[numbers]
    nats = 0.5 * z**2 + np.log(width[numbers]) + 0.5 * math.log(2 * math.pi)
    right = chances[np.arange(len(test)), [NAMES.index(name) for name in truth[CLASS]]]
    gone = test.isna()
    total = nats.to_numpy()[gone[numbers].to_numpy()].sum() - np.log(right[gone[CLASS]]).sum()
    return float(total / gone.to_numpy().sum())


def coded(table: pd.DataFrame) -> pd.DataFrame:
    """All classes but the first as columns of 0 and 1, missing where the class is; with all, one would follow."""
    codes = pd.DataFrame({name: (table[CLASS] == name).astype(float) for name in NAMES[1:]}, table.index)
    return table.drop(columns=CLASS).join(codes.mask(table[CLASS].isna()))


def hide(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Which cells are hidden."""
    return np.random.default_rng(seed).random(table.shape) < HIDDEN


def scores(
    filled: pd.DataFrame, nats: float, test: pd.DataFrame, truth: pd.DataFrame, units: pd.Series
) -> dict:
    """Of hidden cells: error of numbers in column standard deviations, their spread ÷ the true one, classes, nats."""
    numbers, gone = test.columns.drop(CLASS), test.isna()
    cells = gone[numbers].to_numpy()
    off = ((filled[numbers] - truth[numbers]) / units).to_numpy()[cells]
    spread, true_spread = (
        ((table[numbers] - truth[numbers].mean()) / units).to_numpy()[cells] for table in (filled, truth)
    )
    right = (filled[CLASS] == truth[CLASS])[gone[CLASS]]
    return {
        "rmse": float(np.sqrt((off**2).mean())),
        "spread": float(np.sqrt((spread**2).mean() / (true_spread**2).mean())),
        "accuracy": float(right.mean()),
        "nats": nats,
    }


def measure() -> dict:
    """All methods on all splits; the record."""
    table = wines()
    numbers = table.columns.drop(CLASS)
    found: dict[str, list[dict]] = {}
    drawn: dict[str, list[list]] = {}
    seconds: dict[str, list[float]] = {}

    def take(results: dict[str, Filled], took: float) -> None:
        for method, (filled, nats) in results.items():
            found.setdefault(method, []).append(scores(filled, nats, test, truth, table[numbers].std()))
            seconds.setdefault(method, []).append(took)
            points = filled.loc[shown, list(SHOWN)].round(3)
            drawn.setdefault(method, []).extend(points.to_numpy().tolist())

    for split in range(SPLITS):
        shuffled = table.sample(frac=1, random_state=split)
        gappy = shuffled.mask(hide(shuffled, seed=split))
        train, test, truth = gappy[TEST:], gappy[:TEST], shuffled[:TEST]
        shown = test[list(SHOWN)].isna().any(axis=1)
        methods: dict[str, Callable[..., dict[str, Filled]]] = {
            "the truth": lambda train, test, truth: {"the truth": (truth, math.nan)},
            SIMPLE: lambda *tables: {SIMPLE: fill_by_column(*tables)},
            LINEAR: lambda *tables: {LINEAR: fill_iteratively(BayesianRidge(), *tables)},
            FOREST: lambda *tables: {
                FOREST: fill_iteratively(RandomForestRegressor(50, random_state=0), *tables)
            },
            OURS: fill_by_joint,
        }
        for name, method in methods.items():
            start = time.process_time()
            take(method(train, test, truth), time.process_time() - start)
            print(split, name, found[name][-1], flush=True)
    del found["the truth"]
    return {
        "command": "python tools/imputation.py",
        "about": f"wine, {len(table) - TEST} training and {TEST} test rows, {HIDDEN:.0%} of all cells hidden",
        "splits": SPLITS,
        "scores": {
            name: {
                key: [float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(SPLITS))]
                for key in runs[0]
                for values in [[run[key] for run in runs]]
            }
            for name, runs in found.items()
        },
        "seconds": {name: float(np.mean(seconds[name])) for name in found},
        "drawn": {"columns": list(SHOWN), "points": drawn},
        **circumstances(),
    }


def draw(record: dict) -> None:
    """Test rows of which one of two cells was hidden: as they are, and as each method fills them."""
    panels = record["drawn"]["points"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 3, figsize=(7.5, 4.4), sharex=True, sharey=True, layout="constrained")
        for axis, (name, points) in zip(axes.flat, panels.items(), strict=True):
            axis.scatter(*np.array(points).T, s=6, color=BLUE, alpha=0.6, linewidths=0)
            title, _, strategy = name.partition(", ")
            axis.set_title(f"{title}{f' ({strategy})' if strategy else ''}", fontsize=9)
        figure.supxlabel(record["drawn"]["columns"][0], fontsize=9)
        figure.supylabel(record["drawn"]["columns"][1], fontsize=9)
        figure.savefig(FIGURES / "imputation.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of regressions that have not converged after ten rounds
    if "--draw" not in sys.argv:
        write_text(RECORD, to_json(measure()))
    draw(json.loads(RECORD.read_text()))

"""Peers that draw rows: (training rows, test rows, request) → "drawn", and "log_density" if it has one.

Its nats are of the first test rows, "scored" of them: probabilities of cells of the columns that have "steps".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from matrix import Matrix

Frames = dict[str, pd.DataFrame]
FEW = 1000  # rows of a peer that draws slowly


def chainrule(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Ours, at its defaults."""
    from chainrule.sklearn import AutoregressiveDensity

    density = AutoregressiveDensity(random_state=request["seed"]).fit(train)
    drawn = density.sample(request["n"], random_state=request["seed"])
    nats = density.score_samples(test[: request["scored"]])
    return {"drawn": drawn, "log_density": pd.DataFrame({"nats": nats})}


def _sdv(name: str) -> Any:
    def draw(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
        from sdv import single_table
        from sdv.metadata import Metadata

        train = train.astype(dict.fromkeys(train.select_dtypes("category"), object))
        kinds = {
            name: {"sdtype": "categorical" if cells.dtype == object else "numerical"}
            for name, cells in train.items()
        }
        metadata = Metadata.load_from_dict({"tables": {"table": {"columns": kinds}}})
        synthesizer = getattr(single_table, name)(metadata)
        synthesizer.fit({"table": train})
        return {"drawn": synthesizer.sample(request["n"])["table"]}

    return draw


def arf(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Adversarial random forests; they take no missing cells, so that rows with some are left out."""
    from arfpy import arf as forests

    model = forests.arf(train.dropna().reset_index(drop=True), verbose=False, random_state=request["seed"])
    model.forde()
    return {"drawn": model.forge(n=request["n"])}


def unmasking_trees(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Unmasking trees, with the kinds of columns given."""
    from utrees import UnmaskingTrees

    matrix = Matrix(train, codes=True)
    kinds = [_kind(cells) for _, cells in train.items()]
    model = UnmaskingTrees(random_state=request["seed"]).fit(matrix.encode(train), quantize_cols=kinds)
    drawn = matrix.decode(model.generate(min(request["n"], FEW)))
    # Its density of rounded numbers has no bound, so that the density is one of rows with noise of a step's width:
    # on average at most the probability of the cell, in nats (Theis et al. 2016).
    steps, rng = request["steps"], np.random.default_rng(request["seed"])
    rows, new = (_with_noise(each, steps, rng) for each in (train, test[: request["scored"]]))
    kinds = ["continuous" if kind == "integer" else kind for kind in kinds]
    density = UnmaskingTrees(random_state=request["seed"]).fit(matrix.encode(rows), quantize_cols=kinds)
    nats = density.score_samples(matrix.encode(new))
    for name, step in steps.items():
        nats = nats + new[name].notna().to_numpy() * np.log(step)
    return {"drawn": drawn, "log_density": pd.DataFrame({"nats": nats})}


def _with_noise(frame: pd.DataFrame, steps: dict[str, float], rng: np.random.Generator) -> pd.DataFrame:
    return frame.assign(
        **{name: frame[name] + step * (rng.random(len(frame)) - 0.5) for name, step in steps.items()}
    )


def _kind(cells: pd.Series) -> str:
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return "categorical"
    return "integer" if cells.dtype.kind in "iu" else "continuous"


PEERS = {
    "chainrule": chainrule,
    "gaussian-copula": _sdv("GaussianCopulaSynthesizer"),
    "ctgan": _sdv("CTGANSynthesizer"),
    "tvae": _sdv("TVAESynthesizer"),
    "arfpy": arf,
    "unmasking-trees": unmasking_trees,
}

"""Peers that draw rows: (training rows, test rows, request) → "drawn", and "log_density" of test rows if it has one."""

from __future__ import annotations

from typing import Any

import pandas as pd

from matrix import Matrix

Frames = dict[str, pd.DataFrame]


def chainrule(train: pd.DataFrame, test: pd.DataFrame, request: dict) -> Frames:
    """Ours, at its defaults."""
    from chainrule.sklearn import AutoregressiveDensity

    density = AutoregressiveDensity(random_state=request["seed"]).fit(train)
    drawn = density.sample(request["n"], random_state=request["seed"])
    return {"drawn": drawn, "log_density": pd.DataFrame({"nats": density.score_samples(test)})}


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
    drawn = matrix.decode(model.generate(request["n"]))
    nats = model.score_samples(matrix.encode(test))
    return {"drawn": drawn, "log_density": pd.DataFrame({"nats": nats})}


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

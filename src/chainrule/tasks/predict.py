"""One column of a table predicted from the others, as frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.data import decode, encode
from chainrule.errors import ChainruleError, DomainError, nearest
from chainrule.models import Model
from chainrule.tasks.posterior import Posterior, posterior


def predict(
    model: Model, rows: Any, column: str, *, quantile: float | None = None, mean: bool = False
) -> Any:
    """The column's value of each row, given the row's other cells.

    Args:
        model: of a table, unconditional, with an exact likelihood.
        rows: a DataFrame, or the path of a table; the column itself need not be there, and is not read.
        column: its name.
        quantile: of numbers, in (0, 1); by default the median.
        mean: take the mean of numbers instead.

    Returns:
        A pandas Series (N,): of categories the most probable one, of numbers the quantile or the mean.

    Raises:
        ChainruleError: on an unknown column, a quantile of categories, or one outside (0, 1).
        DataError: if the other cells do not suit the columns.
    """
    import pandas as pd

    found, d, index = _posterior(model, rows, column)
    of = model.domain.columns[d]
    return pd.Series(
        decode_one(model, d, summary(found, bool(of.categories), quantile, mean)), index=index, name=column
    )


def predict_proba(model: Model, rows: Any, column: str) -> Any:
    """The probability of each value of the column in each row, given the row's other cells.

    Args:
        model, rows, column: as of `predict`; a column of categories, or of numbers on a grid of at most 512 cells.

    Returns:
        A pandas DataFrame (N, K), whose columns are the values.

    Raises:
        ChainruleError: on an unknown column, or one with too many values, which has quantiles instead.
        DataError: if the other cells do not suit the columns.
    """
    import pandas as pd

    found, d, index = _posterior(model, rows, column)
    values = enumerated_values(model, found, d)
    return pd.DataFrame(found.probabilities.numpy(), index=index, columns=pd.Index(values, name=column))


def summary(found: Posterior, categories: bool, quantile: float | None, mean: bool) -> Tensor:
    """One value of each item (N,).

    Raises:
        ChainruleError: on a quantile or mean of categories, both of them, or a quantile outside (0, 1).
    """
    if categories:
        if quantile is not None or mean:
            raise ChainruleError("predict: expected no quantile or mean, the column has categories")
        return found.mode()
    if mean:
        if quantile is not None:
            raise ChainruleError("predict: expected a quantile or the mean, got both")
        return found.mean()
    if quantile is not None and not 0 < quantile < 1:
        raise ChainruleError(f"quantile: expected a number in (0, 1), got {quantile}")
    return found.quantile(0.5 if quantile is None else quantile)


def enumerated_values(model: Model, found: Posterior, d: int) -> np.ndarray:
    """The values (K,) whose probabilities a posterior has, as the table has them.

    Raises:
        ChainruleError: if it has too many.
    """
    if not found.enumerated:
        name = model.domain.columns[d].name
        raise ChainruleError(
            f"predict_proba: column {name!r} has too many values for a probability each; use predict with a quantile"
        )
    return decode_one(model, d, found.values[0])


def decode_one(model: Model, d: int, values: Tensor) -> np.ndarray:
    """Values of column d (N,) as the table has them; what falls between whole numbers, such as a mean, as it is."""
    column = model.domain.columns[d]
    if not column.categories and not torch.equal(values, values.round()):
        return values.numpy()
    return decode(values[:, None], [column])[column.name].to_numpy()


def column_index(model: Model, column: str) -> int:
    """Its number.

    Raises:
        DomainError: if the model is of no table.
        ChainruleError: if there is no such column.
    """
    names = [own.name for own in model.domain.columns]
    if not names:
        raise DomainError(f"predict: expected a model of a table, got one of {model.domain}")
    if column not in names:
        raise ChainruleError(f"predict: the model has no column {column!r}; {nearest(column, names)}")
    return names.index(column)


def _posterior(model: Model, rows: Any, column: str) -> tuple[Posterior, int, Any]:
    d = column_index(model, column)
    x = torch.from_numpy(encode(rows, model.domain.columns, "predict", allow_missing=True))
    x[:, d] = 0.0  # not read
    index = None if isinstance(rows, str) else getattr(rows, "index", None)  # text has a method of that name
    return posterior(model, x, d), d, index

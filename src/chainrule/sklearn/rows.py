"""The user's rows, an array or a frame, ↔ the float64 array that a model of their columns takes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import (
    is_bool_dtype,
    is_float_dtype,
    is_integer_dtype,
    is_numeric_dtype,
    pandas_dtype,
)
from pyarrow.types import is_integer
from torch import Tensor

from chainrule.data import decode, encode
from chainrule.data.carried import FRESH, Carried, with_fresh
from chainrule.data.columns import find_columns
from chainrule.data.readers.arrow import as_arrow
from chainrule.data.readers.frame import is_frame
from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError, DataError, nearest

LARGEST = float(np.finfo(np.float32).max)  # nets compute in single precision


@dataclass(frozen=True)
class Rows:
    """What the training rows were, so that other rows are read alike and new ones look alike.

    Attributes:
        columns: the kind of each that is modelled.
        names: of all, ids and the like too, which are carried through.
        labels: the frame's own column labels; None for an array.
        dtypes: those of the frame's columns.
        carried: how those that are not modelled go on in new rows.
        dtype: that of the array, if drawn rows are to have it.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    labels: pd.Index | None = None
    dtypes: tuple[Any, ...] = ()
    carried: tuple[Carried, ...] = ()
    dtype: Any = None

    @classmethod
    def of(cls, X: Any, kinds: Mapping[str, str] | str | None, dtype: Any = None) -> Rows:
        """Infer the columns of a frame; numbers without column names are real, unless `kinds` overrides it.

        Args:
            X: of the training rows.
            kinds: column name → a kind, see `find_columns`; "infer" for a frame's rules in an array too.
            dtype: of the array that the user gave.
        """
        if isinstance(kinds, str) and kinds != "infer":
            raise ChainruleError(f"columns: expected 'infer' or a dictionary name → kind, got {kinds!r}")
        given = {} if kinds is None or isinstance(kinds, str) else dict(kinds)
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        labels, dtypes = (frame.columns, tuple(frame.dtypes)) if frame is X else (None, ())
        plain: list[str] = []
        nameless = frame.columns.equals(pd.RangeIndex(frame.shape[1]))
        if nameless or len(set(map(str, frame.columns))) < frame.shape[1]:
            frame = frame.set_axis([f"x{d}" for d in range(frame.shape[1])], axis=1)
        if nameless and kinds != "infer":
            plain = [name for name in frame.select_dtypes("number") if name not in given]
        frame = frame.rename(columns=str)
        found = find_columns(frame, dict.fromkeys(plain, "real") | given, "X")
        _say_left({name: reason for name, reason in found.left.items() if given.get(name) != "drop"})
        # Those of an array go to models of real vectors too, which know no support.
        columns = [
            Column(column.name, "real", missing=column.missing) if column.name in plain else column
            for column in found.columns
        ]
        return cls(tuple(columns), tuple(frame.columns), labels, dtypes, tuple(found.carried), dtype)

    def encode(self, X: Any, columns: Sequence[Column] = (), *, allow_missing: bool = False) -> np.ndarray:
        """(N, D) float64: codes of categories, numbers, NaN where missing.

        Args:
            X: an array or a frame, whose columns come in the order of the training rows.
            columns: in place of one's own.
            allow_missing: whether any cell may be missing.

        Raises:
            DataError: naming the column and the value that is none of its kind, or a category never seen.
        """
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        frame = frame.set_axis(list(self.names), axis=1)
        x = encode(frame, columns or self.columns, "X", allow_missing=allow_missing)
        large = np.abs(x) > LARGEST
        if large.any():
            row, d = np.argwhere(large)[0]
            where = f"X: column {self.columns[d].name!r}"
            raise DataError(f"{where}: expected numbers up to {LARGEST:.2g}, got {x[row, d]:g} in row {row}")
        return x

    def decode(self, x: np.ndarray, ids: str | None = None, seed: int = 0) -> Any:
        """The inverse: an array or a frame as the training rows were, in their types where these hold the values.

        Args:
            x: rows as the model takes them.
            ids: "fresh" for new cells of the columns that are not modelled.
            seed: of those that are random.
        """
        if ids not in (None, FRESH):
            raise ChainruleError(f"ids: expected {FRESH!r} or None, got {ids!r}")
        frame = decode(x, self.columns)
        if ids:
            frame = with_fresh(frame, self.carried, torch.Generator().manual_seed(seed))
        if self.labels is None:
            return _as_array(frame.to_numpy(), self.dtype)
        places = [self.names.index(name) for name in frame]
        for name, place in zip(frame, places, strict=True):
            frame[name] = _in_type(frame[name], self.dtypes[place])
        return frame.set_axis(self.labels[places], axis=1)

    def filled(self, x: np.ndarray, X: Any) -> Any:
        """X with its missing cells taken from x; all other cells stay as they are, to the last bit.

        Columns of a frame get their training types, if gaps alone had kept these from them. Those that are not modelled
        are carried through.
        """
        modelled = {self.names.index(column.name): d for d, column in enumerate(self.columns)}
        if isinstance(X, np.ndarray):
            drawn = X.copy()
            drawn[:, list(modelled)] = _as_array(decode(x, self.columns).to_numpy(X.dtype), self.dtype)
            return np.where(np.isnan(X), drawn, X)
        filled = {}
        for place in range(X.shape[1]):
            cells, gaps = X.iloc[:, place], X.iloc[:, place].isna().to_numpy()
            if place not in modelled:
                filled[place] = cells
                continue
            d, own = modelled[place], cells.dtype
            if gaps.any():
                drawn = decode(x[:, [d]], [self.columns[d]])[self.columns[d].name]
                if is_numeric_dtype(own) and not is_bool_dtype(drawn):
                    cells = cells.where(~gaps, drawn.to_numpy()).astype(own)
                else:
                    cells = cells.astype(object).where(~gaps, drawn.to_numpy(object))
            trained = self.dtypes[place] if self.dtypes else own
            keep = is_float_dtype(own) and is_float_dtype(trained)
            filled[place] = cells if keep else _in_type(cells, trained)
        return pd.DataFrame(filled, index=X.index).set_axis(X.columns, axis=1)

    def decode_column(self, d: int, values: np.ndarray) -> np.ndarray:
        """Codes or numbers of column d as its cells; a mean of whole numbers stays what it is."""
        column = self.columns[d]
        if not column.categories and not (values == values.round()).all():
            return values
        return decode(values[:, None], [column])[column.name].to_numpy()

    def index(self, name: str) -> int:
        """The place of a column.

        Raises:
            ChainruleError: if there is none of that name.
        """
        names = [column.name for column in self.columns]
        if name not in names:
            raise ChainruleError(f"column: the rows have no {name!r}; {nearest(name, names)}")
        return names.index(name)


def _say_left(left: Mapping[str, str]) -> None:
    """Warn of columns that are not modelled."""
    if left:
        columns = "; ".join(f"{name!r}: {reason}" for name, reason in left.items())
        drop = ", ".join(f"{name!r}: 'drop'" for name in left)
        warnings.warn(
            f"X: not modelled, column {columns}; columns={{{drop}}} agrees, another kind models it",
            UserWarning,
            stacklevel=5,
        )


def _as_array(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Numbers in a type, whole ones rounded and clipped to what it holds."""
    if dtype is None:
        return values
    if dtype.kind == "b":
        return values.astype(float) >= 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.rint(values.astype(float)).clip(limits.min, limits.max)
    return values.astype(dtype)


def _in_type(values: pd.Series, dtype: Any) -> pd.Series:
    """In a type, drawn numbers clipped to what it holds; as they are where it would cut them off."""
    if is_bool_dtype(dtype) and values.isna().any():
        return values
    if is_integer_dtype(dtype) and is_numeric_dtype(values.dtype):
        limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
        values = values.clip(limits.min, limits.max)
        whole = values.isna() | (values == values.round())
        if not whole.all() or (values.isna().any() and isinstance(dtype, np.dtype)):
            return values
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return values


def array_type(X: Any) -> Any:
    """The type of an array or tensor of numbers; None for other rows."""
    dtype = getattr(as_frame(X), "dtype", None)
    return dtype if getattr(dtype, "kind", "") in list("biuf") else None


def as_frame(X: Any) -> Any:
    """Frames of other libraries, lists of dictionaries and arrays with text as a frame of pandas; all else as it is."""
    if isinstance(X, Tensor):
        return X.detach().cpu().numpy()
    if isinstance(X, pd.DataFrame) or not is_frame(X):
        return X
    if isinstance(X, np.ndarray) and X.dtype.names is None:  # numbers as objects are numbers
        if not any(isinstance(cell, str) for cell in X.flat):
            return X
        return pd.DataFrame(X).infer_objects()
    table = as_arrow(X)
    frame = table.to_pandas()
    for place, cells in enumerate(table.columns):
        if is_integer(cells.type) and cells.null_count:  # which would be floats
            name = str(cells.type).replace("uint", "UInt").replace("int", "Int")
            frame.isetitem(place, cells.to_pandas(types_mapper=lambda _, name=name: pandas_dtype(name)))
    return frame


def domain_of(columns: Sequence[Column]) -> Domain:
    """A vector where all columns are real and no cell is missing, which every model of reals serves; or a table."""
    plain = all(column.kind == "real" and not column.missing for column in columns)
    return Domain.vector(len(columns)) if plain else Domain.table(columns)

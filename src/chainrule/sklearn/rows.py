"""The user's rows, an array or a frame, ↔ the float64 array that a model of their columns takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype
from torch import Tensor

from chainrule.data import decode, encode, infer_columns
from chainrule.data.readers.arrow import as_arrow
from chainrule.data.readers.frame import is_frame
from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError


@dataclass(frozen=True)
class Rows:
    """What the training rows were, so that other rows are read alike and new ones look alike.

    Attributes:
        columns: the kind of each that is modelled.
        names: of all, ids and the like too, which are carried through.
        labels: the frame's own column labels; None for an array.
        dtypes: those of the frame's columns.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    labels: pd.Index | None = None
    dtypes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, X: Any, kinds: Mapping[str, str] | str | None) -> Rows:
        """Infer the columns of a frame; numbers without column names are real, unless `kinds` overrides it.

        Args:
            X: of the training rows.
            kinds: column name → a kind, see `find_columns`; "infer" for a frame's rules in an array too.
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
        inferred = infer_columns(frame, dict.fromkeys(plain, "real") | given, "X")
        # Those of an array go to models of real vectors too, which know no support.
        columns = [
            Column(column.name, "real", missing=column.missing) if column.name in plain else column
            for column in inferred
        ]
        return cls(tuple(columns), tuple(frame.columns), labels, dtypes)

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
        return encode(frame, columns or self.columns, "X", allow_missing=allow_missing)

    def decode(self, x: np.ndarray, like: Any = None) -> Any:
        """The inverse: an array or a frame as `like` is, by default as the training rows were.

        A frame has the training frame's types where these hold the values, and the columns of `like` that are not
        modelled.
        """
        frame, place = decode(x, self.columns), {name: d for d, name in enumerate(self.names)}
        for name in frame if self.dtypes else ():
            frame[name] = _as_type(frame[name], self.dtypes[place[name]])
        if like is not None:
            rest = pd.DataFrame(like).set_axis(list(self.names), axis=1)
            carried = {name: rest[name].to_numpy() for name in self.names if name not in frame}
            frame = frame.assign(**carried)[list(self.names)]
        if isinstance(like, np.ndarray) or (like is None and self.labels is None):
            return frame.to_numpy(None if like is None else like.dtype)
        if like is not None:
            return frame.set_axis(like.columns, axis=1).set_axis(like.index, axis=0)
        assert self.labels is not None
        return frame.set_axis(self.labels[[place[name] for name in frame]], axis=1)


def _as_type(values: pd.Series, dtype: Any) -> pd.Series:
    """The values in a type, where it holds them: whole numbers are not cut off and do not wrap around."""
    if is_bool_dtype(dtype) and values.isna().any():
        return values
    try:
        cast = values.astype(dtype)
    except (TypeError, ValueError):
        return values
    return cast if not is_integer_dtype(dtype) or (cast == values).all() else values


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
    return as_arrow(X).to_pandas()


def domain_of(columns: Sequence[Column]) -> Domain:
    """A vector where all columns are real and no cell is missing, which every model of reals serves; or a table."""
    plain = all(column.kind == "real" and not column.missing for column in columns)
    return Domain.vector(len(columns)) if plain else Domain.table(columns)

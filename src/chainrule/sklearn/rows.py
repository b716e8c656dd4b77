"""The user's rows, an array or a frame, ↔ the float64 array that a model of their columns takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype
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
        columns: the kind of each.
        labels: the frame's own column labels; None for an array.
        dtypes: those of the frame's columns.
    """

    columns: tuple[Column, ...]
    labels: pd.Index | None = None
    dtypes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, X: Any, kinds: Mapping[str, str] | str | None) -> Rows:
        """Infer the columns of a frame; numbers without column names are real, unless `kinds` overrides it.

        Args:
            X: of the training rows.
            kinds: column name → "categorical", "integer" or "real"; "infer" for a frame's rules in an array too.
        """
        if isinstance(kinds, str) and kinds != "infer":
            raise ChainruleError(f"columns: expected 'infer' or a dictionary name → kind, got {kinds!r}")
        given = {} if kinds is None or isinstance(kinds, str) else dict(kinds)
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        labels, dtypes = (frame.columns, tuple(frame.dtypes)) if frame is X else (None, ())
        if not all(isinstance(label, str) for label in frame.columns):
            frame = frame.set_axis([f"x{d}" for d in range(frame.shape[1])], axis=1)
            if kinds != "infer":
                given = dict.fromkeys(frame.select_dtypes("number").columns, "real") | given
        return cls(infer_columns(frame, given, "X"), labels, dtypes)

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
        frame = frame.set_axis([column.name for column in self.columns], axis=1)
        return encode(frame, columns or self.columns, "X", allow_missing=allow_missing)

    def decode(self, x: np.ndarray, like: Any = None) -> Any:
        """The inverse: an array or a frame as `like` is, by default as the training rows were.

        A frame has the training frame's types where these hold the values.
        """
        frame = decode(x, self.columns)
        for column, dtype in zip(self.columns, self.dtypes, strict=False):
            values = frame[column.name]
            cast = values.astype(dtype)
            # Not where whole numbers would be cut off or wrap around.
            if not is_integer_dtype(dtype) or (cast == values).all():
                frame[column.name] = cast
        if isinstance(like, np.ndarray) or (like is None and self.labels is None):
            return frame.to_numpy(None if like is None else like.dtype)
        if like is not None:
            return frame.set_axis(like.columns, axis=1).set_axis(like.index, axis=0)
        return frame.set_axis(self.labels, axis=1)


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

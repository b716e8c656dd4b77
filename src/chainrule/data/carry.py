"""What was there stays as it was: a completed table beside the one that it completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd


def carry(frame: pd.DataFrame, table: pa.Table, known: dict[str, np.ndarray]) -> pd.DataFrame:
    """Completed rows with the cells of the source where these are known, and with the source's other columns.

    Args:
        frame: the rows, of the model's columns; n of them for each row of the source, side by side.
        table: the source.
        known: name of a column of both → which of the source's cells are kept, (N,) booleans.

    Returns:
        The columns in the source's order, and where the source lacks one after that before it in the frame.
    """
    draws = len(frame) // max(table.num_rows, 1)
    rows = np.repeat(np.arange(table.num_rows), draws)
    names = list(table.column_names)
    for place, name in enumerate(frame):
        if name not in names:
            names.insert(names.index(frame.columns[place - 1]) + 1 if place else 0, name)
    cells = {}
    for name in names:
        if name in frame and name in known:
            cells[name] = _merged(
                frame[name], table.column(name).combine_chunks().take(rows), known[name][rows]
            )
        else:
            cells[name] = frame[name] if name in frame else table.column(name).take(rows).to_pandas()
    return type(frame)(cells)


def _merged(drawn: pd.Series, source: pa.Array, known: np.ndarray) -> pd.Series:
    """The source's cells where they are known, in its type if that holds what was drawn, else in the type drawn."""
    if known.all():
        return source.to_pandas()
    if pa.types.is_dictionary(source.type):
        source = source.cast(source.type.value_type)
    made = pa.Array.from_pandas(drawn)
    if pa.types.is_dictionary(made.type):
        made = made.cast(made.type.value_type)
    for kind in (source.type, made.type):
        try:
            return pc.if_else(pa.array(known), source.cast(kind), made.cast(kind)).to_pandas()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return drawn

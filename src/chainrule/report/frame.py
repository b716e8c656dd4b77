"""Tables of names and values as files."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.data.spelling import respelt
from chainrule.domain.column import Column
from chainrule.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

# How cells begin that spreadsheets compute, full-width signs too, and those of them that are but numbers.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def export_frame(
    frame: pd.DataFrame, path: Path, columns: Sequence[Column] = (), *, safe_csv: bool = False
) -> None:
    """Write a frame as .csv or .parquet, whole or not at all, without its index; the rest as in `as_csv`."""
    with atomic_path(path) as temporary:
        write_frame(frame, temporary, columns, safe_csv=safe_csv)


def write_frame(
    frame: pd.DataFrame, path: Path, columns: Sequence[Column] = (), *, safe_csv: bool = False
) -> None:
    """The same into a file that is temporary anyway."""
    if path.suffix.lower() == ".csv":
        path.write_text(as_csv(frame, columns, safe=safe_csv), encoding="utf-8")
    else:
        frame.to_parquet(path, index=False)


def as_csv(
    frame: pd.DataFrame, columns: Sequence[Column] = (), *, safe: bool = False, header: bool = True
) -> str:
    """A frame as CSV, without its index.

    Args:
        frame: to write.
        columns: their numbers and booleans are spelt as they were read, such as $1,000.00.
        safe: whether to write no cell that is a formula.
        header: whether to begin with the names of the columns.
    """
    spelt = {
        c.name: cells for c in columns if (cells := respelt(c.written, frame[c.name].tolist())) is not None
    }
    frame = frame.assign(**spelt)
    frame = without_formulas(frame) if safe else frame
    text = frame.to_csv(index=False, header=header)
    if "\r" in text:  # left bare by the writer of CSV, and taken for an end of line by all who read it
        text = frame.to_csv(index=False, header=header, quoting=csv.QUOTE_NONNUMERIC)
    return text


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with an apostrophe before names and texts that spreadsheets compute; numbers stay as they are."""

    def plain(value: Any) -> Any:
        text = isinstance(value, str) and value.startswith(FORMULAS) and not NUMBER.fullmatch(value)
        return f"'{value}" if text else value

    texts = frame.select_dtypes(exclude="number").astype(object).map(plain)
    return frame.assign(**{name: texts[name] for name in texts}).rename(columns=plain)

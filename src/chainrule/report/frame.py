"""Tables of names and values as files."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

# How cells begin that spreadsheets compute, full-width signs too, and those of them that are but numbers.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def export_frame(frame: pd.DataFrame, path: Path, *, safe_csv: bool = False) -> None:
    """Write a frame as .csv or .parquet, whole or not at all, without its index; `safe_csv` as in `as_csv`."""
    with atomic_path(path) as temporary:
        write_frame(frame, temporary, safe_csv=safe_csv)


def write_frame(frame: pd.DataFrame, path: Path, *, safe_csv: bool = False) -> None:
    """The same into a file that is temporary anyway."""
    if path.suffix.lower() == ".csv":
        path.write_text(as_csv(frame, safe=safe_csv), encoding="utf-8")
    else:
        frame.to_parquet(path, index=False)


def as_csv(frame: pd.DataFrame, *, safe: bool = False) -> str:
    """A frame as CSV, without its index; if `safe`, no cell of it is a formula."""
    frame = without_formulas(frame) if safe else frame
    text = frame.to_csv(index=False)
    if "\r" in text:  # left bare by the writer of CSV, and taken for an end of line by all who read it
        text = frame.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    return text


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with an apostrophe before names and texts that spreadsheets compute; numbers stay as they are."""

    def plain(value: Any) -> Any:
        text = isinstance(value, str) and value.startswith(FORMULAS) and not NUMBER.fullmatch(value)
        return f"'{value}" if text else value

    texts = frame.select_dtypes(exclude="number").astype(object).map(plain)
    return frame.assign(**{name: texts[name] for name in texts}).rename(columns=plain)

"""Drawn rows of a table: as a frame, as text, into files; with new ids where these are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from chainrule.cli.options.drawing import DrawingOptions
from chainrule.cli.output import say
from chainrule.data.carried import emptied
from chainrule.errors import ChainruleError
from chainrule.training import Run

if TYPE_CHECKING:
    import pandas as pd


def check_ids(run: Run, options: DrawingOptions, out: Path | None) -> None:
    """See that there are ids to make, before anything is drawn, and say which columns stay empty.

    Raises:
        ChainruleError: if there are none, or no place for them.
    """
    if options.ids is None:
        return
    frame_of(run, torch.zeros(0, run.model.domain.size), options)
    if out is not None and out.suffix.lower() == ".npy":
        raise ChainruleError(
            "--ids: expected .csv or .parquet to write to, got .npy, which has numbers alone"
        )
    if empty := emptied(run.carried):
        say(f"column {', '.join(map(repr, empty))} stays empty: its cells do not go on as ids do")


def frame_of(run: Run, x: Tensor, options: DrawingOptions) -> pd.DataFrame:
    """Rows (N, D) with names and values."""
    return run.frame(x, ids=options.ids, seed=options.seed)


def records_of(run: Run, x: Tensor, options: DrawingOptions) -> list:
    """Rows for JSON."""
    frame = frame_of(run, x, options)
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def text_of(run: Run, x: Tensor, options: DrawingOptions) -> str:
    """Rows as CSV."""
    from chainrule.report.frame import as_csv

    return as_csv(frame_of(run, x, options), run.model.domain.columns, safe=options.safe_csv)


def export_rows(run: Run, x: Tensor, options: DrawingOptions, out: Path) -> list[Path]:
    """Write .csv or .parquet; the file."""
    from chainrule.report.frame import export_frame

    frame = frame_of(run, x, options)
    export_frame(frame, out, run.model.domain.columns, safe_csv=options.safe_csv)
    return [out]

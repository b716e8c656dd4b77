"""What is done with one part: a pure function of the run, the verb, its options and the part's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import torch
from pyarrow import parquet

from chainrule.data import Notes, decode, encode
from chainrule.data.carry import carry
from chainrule.data.categories import text_columns
from chainrule.data.readers.arrow import as_arrow
from chainrule.errors import ChainruleError
from chainrule.files import atomic_path
from chainrule.randomness import seeded
from chainrule.scale.packed import compress, decompress
from chainrule.scale.parts import Part
from chainrule.scale.remarks import with_remarks
from chainrule.tasks.gaps import rows_with_gaps
from chainrule.tasks.likelihood import log_probs
from chainrule.training import Run

DRAWN = 1 << 13  # rows whose gaps are drawn at once
SCORED = 1 << 10  # rows that are scored at once
APART = 0x9E3779B97F4A7C15  # between the seeds of parts


def work(folder: str, verb: str, options: dict[str, Any], part: Part, out: str) -> None:
    """Do one part, and write its file whole or not at all; a part that is done is done again only if its file is gone.

    Args:
        folder: of the run.
        verb: of `VERBS`.
        options: seed, particles, device, runner, portable, verify.
        part: the rows.
        out: folder of the results.
    """
    place = Path(out) / part.name(verb)
    if place.exists():
        return
    run = _opened(folder, options.get("device", "cpu"))
    seed = (options.get("seed", 0) * 1_000_003 + part.number * APART) % 2**63
    with _one_thread(), seeded(seed):
        VERBS[verb](run, part, options, torch.Generator(run.model.device).manual_seed(seed), place)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=2)
def _opened(folder: str, device: str) -> Run:
    run = Run.open(folder)
    if not run.model.domain.columns:
        raise ChainruleError(f"{folder}: expected a run of a table, got one of {run.model.domain}")
    run.model.to(device)
    return run


def _cells(run: Run, part: Part, missing: bool) -> tuple[pa.Table, torch.Tensor, Notes]:
    """The rows, their cells, and what was found in them."""
    columns, notes = run.model.domain.columns, Notes()
    table = as_arrow(part.read(), text_columns(columns), run.reading, notes)
    cells = encode(table, columns, "table", allow_missing=missing, notes=notes)
    return table, torch.from_numpy(cells), notes


def _score(run: Run, part: Part, options: dict[str, Any], generator: torch.Generator, place: Path) -> None:
    """The columns that are not modelled, such as ids, those of folders, and -log p of each row in nats."""
    table, x, notes = _cells(run, part, missing=False)
    modelled = {column.name for column in run.model.domain.columns} - part.common.keys()
    frame = table.select([name for name in table.column_names if name not in modelled]).to_pandas()
    frame["nats"] = -log_probs(run.model, x, batch_size=SCORED).numpy()
    _write(frame, place, notes)


def _complete(run: Run, part: Part, options: dict[str, Any], generator: torch.Generator, place: Path) -> None:
    """The rows with their missing cells drawn."""
    columns = run.model.domain.columns
    table, cells, notes = _cells(run, part, missing=True)
    x = cells.to(run.model.device)
    known = ~x.isnan()
    particles = options.get("particles", 1)
    drawn, rows = x.clone(), rows_with_gaps(~known)
    for some in rows.split(max(1, DRAWN // particles)) if len(rows) else ():
        found = run.model.complete(x[some], known[some], 1, particles=particles, generator=generator)
        drawn[some] = found[:, 0].to(drawn.dtype)
    there = known.cpu().numpy().T
    kept = {c.name: there[d] for d, c in enumerate(columns) if c.name in table.column_names}
    _write(carry(decode(drawn, columns), table, kept), place, notes)


def _sample(run: Run, part: Part, options: dict[str, Any], generator: torch.Generator, place: Path) -> None:
    """Drawn rows."""
    _write(decode(run.model.sample(part.rows, generator=generator), run.model.domain.columns), place, Notes())


def _write(frame: pd.DataFrame, place: Path, notes: Notes) -> None:
    table = with_remarks(pa.Table.from_pandas(frame, preserve_index=False), notes)
    with atomic_path(place) as temporary:
        parquet.write_table(table, temporary)


Verb = Callable[[Run, Part, dict[str, Any], torch.Generator, Path], None]
VERBS: dict[str, Verb] = {
    "score": _score,
    "complete": _complete,
    "sample": _sample,
    "compress": compress,
    "decompress": decompress,
}

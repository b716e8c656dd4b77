"""What is found in the rows of a part, kept in the file of its result, and put together for all parts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from chainrule.data import Notes
from chainrule.data.notes import counted

KEY = b"chainrule.notes"
CELLS = re.compile(r"\d[\d,]* cells?\b")


def with_remarks(table: pa.Table, notes: Notes) -> pa.Table:
    """The table of a result, with what was found in its rows beside its schema."""
    kept = json.dumps([notes.found, notes.ignored, notes.changed]).encode()
    return table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: kept})


def remarks_of(files: Iterable[Path]) -> Notes:
    """What was found in all results; cells that parts have counted are added up, and what all say is said once."""
    lines: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    for file in files:
        metadata = parquet.read_schema(file).metadata or {}
        for counts, own in zip(lines, json.loads(metadata.get(KEY, b"[[], [], []]")), strict=True):
            for line in own:
                cells = CELLS.search(line)
                number = int(cells[0].split()[0].replace(",", "")) if cells else 0
                counts[CELLS.sub("{cells}", line, count=1)] += number
    found, ignored, changed = (
        [line.replace("{cells}", counted(number, "cell")) for line, number in counts.items()]
        for counts in lines
    )
    return Notes(found, ignored, changed)

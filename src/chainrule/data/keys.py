"""Columns that say which row it is and nothing about it: ids, keys, row numbers, free text."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

INDEX = re.compile(r"__index_level_\d+__|unnamed: ?\d+|index|rownames?|row[ _]?(nr|no|num|number|id)?")
NAMES = re.compile(
    r"(?i:(.*[ _.-])?(id|ids|uuid|guid|key|pk|serial|identifier|hash|ssn|isbn|iban|email|e-mail|url|phone))"
    r"|.*[a-z](Id|ID|Uuid|UUID|Key)"
)
FEWEST = 20  # rows from which cells that all differ say something; with a name as above, a few do
FEWEST_NAMED = 5
MOSTLY, MANY = 0.5, 50  # the share and number of texts from which they name rows
NAMED_SHARE = 0.95  # of the cells of a column called id that differ
WORDS, LONG = 5, 60  # of a text on average, that make it prose


def text_key(name: str, cells: pa.ChunkedArray) -> str | None:
    """Why a column of text is an id, a key or prose; None if it is neither."""
    present = cells.drop_null()
    rows, distinct = len(present), pc.count_distinct(present).as_py()
    named = NAMES.fullmatch(name) is not None
    if rows >= FEWEST_NAMED and named and distinct >= NAMED_SHARE * rows:
        return f"an id, by its name and since {_differ(distinct, rows)}"
    if rows >= FEWEST and distinct == rows:
        return f"a key or free text, since all {rows:,} cells differ"
    if distinct > MANY and distinct > MOSTLY * rows:
        return f"a key or free text, since {_differ(distinct, rows)}"
    if rows >= FEWEST and distinct > MOSTLY * rows and _prose(present):
        return "free text, by its length"
    return None


def number_key(name: str, numbers: np.ndarray) -> str | None:
    """Why a column of whole numbers (N,), exact, none missing, in the order of the rows, is an id or a row number."""
    rows = len(numbers)
    if rows < FEWEST_NAMED:
        return None
    numbered = bool((np.diff(numbers) == 1).all()) and numbers[0] in (0, 1)
    if numbered and (INDEX.fullmatch(name.lower()) or NAMES.fullmatch(name)):
        return "row numbers"
    if numbered and rows >= FEWEST:
        return f"row numbers, {numbers[0]} to {numbers[-1]:,} in order"
    indexed, named = INDEX.fullmatch(name.lower()), NAMES.fullmatch(name)
    distinct = len(np.unique(numbers)) if indexed or named else 0
    if indexed and distinct == rows:
        return "an index, by its name and since all cells differ"
    if named and distinct >= NAMED_SHARE * rows:
        return f"an id, by its name and since {_differ(distinct, rows)}"
    return None


def is_code(name: str) -> bool:
    """Whether a column is called an id, so that its numbers are names."""
    return NAMES.fullmatch(name) is not None


def _differ(distinct: int, rows: int) -> str:
    return f"all {rows:,} cells differ" if distinct == rows else f"{distinct:,} of {rows:,} cells differ"


def _prose(cells: pa.ChunkedArray) -> bool:
    return _long(cells) or pc.mean(pc.count_substring(cells, " ")).as_py() >= WORDS - 1


def _long(cells: pa.ChunkedArray) -> bool:
    return pc.mean(pc.utf8_length(cells)).as_py() >= LONG

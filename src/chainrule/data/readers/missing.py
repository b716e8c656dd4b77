"""What stands for a missing cell in text."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from chainrule.data.readers.numerals import LOOSE, all_match

# What stands for a missing cell unless the user says it: what pyarrow and pandas agree on.
NA = "NA"
MISSING = frozenset([*arrow_csv.ConvertOptions().null_values, "<NA>"])
# What stands for one in a column of numbers, however often.
PLACEHOLDERS = frozenset(
    [
        *("?", "-", "--", "---", "–", "—", ".", "..", "...", "*", "na", "n.a.", "N.A.", "none", "None"),
        *("unknown", "Unknown", "missing", "Missing", "#REF!", "#DIV/0!"),
    ]
)


def missing_texts(
    columns: Mapping[str, pa.Array], chosen: Collection[str] | None
) -> dict[str, frozenset[str]]:
    """What stands for a missing cell in each column.

    "NA" is a value in a column of text if all others there are codes of two letters, or if it is the only one of
    these spellings there and no column of numbers has it.

    Args:
        columns: name → cells, without the spaces around them.
        chosen: spellings of the user, in place of all others.
    """
    if chosen is not None:
        return dict.fromkeys(columns, frozenset(text.strip() for text in chosen))
    every = pa.array(sorted(MISSING), pa.string())
    texts, spells_numbers = {}, False
    for name, cells in columns.items():
        if not pc.any(pc.equal(cells, NA)).as_py():
            continue
        found = {*cells.filter(pc.is_in(cells, every)).unique().to_pylist()}
        rest = cells.filter(pc.invert(pc.is_in(cells, every)))
        if not len(rest) or pc.mean(pc.match_substring_regex(rest, LOOSE)).as_py() >= 0.5:
            spells_numbers |= bool(len(rest))
        else:
            texts[name] = all_match(rest, "^[A-Z]{2}$"), found == {NA}
    values = {name for name, (codes, alone) in texts.items() if codes or (alone and not spells_numbers)}
    return {name: MISSING - {NA} if name in values else MISSING for name in columns}

"""What the columns of a table in parts are: one pass looks for telling rows, a second sees that every row fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from chainrule.data.cells import is_number, is_text
from chainrule.data.columns import find_columns
from chainrule.data.findings import Findings
from chainrule.data.grid import as_fraction
from chainrule.data.large.bar import bar
from chainrule.data.large.tables import Part, cells_of
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError, DataError

MOST_NEW = 10_000  # texts of a column of which each is looked for
TRIES = 20  # times that a row may show that the columns are others


class Rows:
    """Rows that show what the columns of a table are: some at random, and all that tell more than these.

    Every column has those of its least and its largest cell, of its first missing one and of each of its texts.

    Args:
        parts: of the table.
        chosen: sorted places of the random rows.
    """

    def __init__(self, parts: Sequence[Part], chosen: np.ndarray) -> None:
        self.tables: list[pa.Table] = []
        self.texts: dict[str, pa.Array | None] = {}
        self.ends: dict[str, tuple[Any, Any]] = {}
        self.gaps: set[str] = set()
        self.numbered: dict[
            str, tuple[int, int] | None
        ] = {}  # name → first and last so far, one apart throughout
        first = 0
        for part in bar(parts, "columns", [part.rows for part in parts]):
            own = slice(*np.searchsorted(chosen, [first, first + part.rows]))
            self._look(part.read(), chosen[own] - first)
            first += part.rows

    def _look(self, table: pa.Table, chosen: np.ndarray) -> None:
        telling = [chosen]
        for field, cells in zip(table.schema, table.columns, strict=True):
            telling.append(np.array([*self._telling(field.name, cells)], np.int64))
        self.tables.append(table.take(np.unique(np.concatenate(telling))))

    def _telling(self, name: str, cells: pa.ChunkedArray) -> Iterator[int]:
        """The rows of which a column shows something new."""
        kind = cells.type
        if cells.null_count and name not in self.gaps:
            self.gaps.add(name)
            yield pc.index(cells.is_null(), True).as_py()
        if is_text(kind) or pa.types.is_dictionary(kind) or pa.types.is_boolean(kind):
            yield from self._new_texts(name, cells)
        elif is_number(kind) or pa.types.is_temporal(kind):
            yield from self._new_ends(name, cells)
            if pa.types.is_integer(kind):
                self._count(name, cells)

    def _new_texts(self, name: str, cells: pa.ChunkedArray) -> Iterator[int]:
        seen = self.texts.get(name, pa.array([], pa.string()))
        if seen is None:
            return
        plain = cells.cast(pa.string())
        different = plain.unique().drop_null()
        new = different.filter(pc.invert(pc.is_in(different, value_set=seen)))
        if len(seen) + len(new) > MOST_NEW:
            self.texts[name] = None
            return
        self.texts[name] = pa.concat_arrays([seen, new])
        coded = plain.combine_chunks().dictionary_encode()
        fresh = set(pc.index_in(new, value_set=coded.dictionary).to_pylist())
        codes, rows = np.unique(coded.indices.fill_null(-1).to_numpy(), return_index=True)
        yield from (row for code, row in zip(codes.tolist(), rows.tolist(), strict=True) if code in fresh)

    def _new_ends(self, name: str, cells: pa.ChunkedArray) -> Iterator[int]:
        if pa.types.is_temporal(cells.type):
            cells = cells.cast(pa.int32() if cells.type.bit_width == 32 else pa.int64())
        low, high = pc.min_max(cells).as_py().values()
        if low is None:
            return
        lowest, highest = self.ends.get(name, (None, None))
        if lowest is None or low < lowest:
            yield pc.index(cells, pa.scalar(low, cells.type)).as_py()
        if highest is None or high > highest:
            yield pc.index(cells, pa.scalar(high, cells.type)).as_py()
        self.ends[name] = (low, high) if lowest is None else (min(low, lowest), max(high, highest))

    def _count(self, name: str, cells: pa.ChunkedArray) -> None:
        """See whether whole numbers go on by ones."""
        if name in self.numbered and self.numbered[name] is None:
            return
        values = cells.to_numpy() if not cells.null_count else np.zeros(2)
        before = self.numbered.get(name)
        first, last = before if before else (int(values[0]), int(values[0]) - 1)
        goes_on = int(values[0]) == last + 1 and bool((np.diff(values) == 1).all())
        self.numbered[name] = (first, int(values[-1])) if goes_on else None

    def find(self, kinds: Mapping[str, str] | None, where: str) -> Findings:
        """What the columns are, by these rows."""
        table = pa.concat_tables(self.tables, promote_options="permissive")
        for name, ends in self.numbered.items():
            if ends is not None:  # of some rows alone they would not be in order
                d = table.column_names.index(name)
                table = table.set_column(d, name, pa.array(range(ends[0], ends[0] + len(table))))
        return find_columns(table, kinds, where)


def survey(
    parts: Sequence[Part],
    kinds: Mapping[str, str] | None,
    where: str,
    chosen: np.ndarray,
    wanted: Sequence[np.ndarray],
    known: Sequence[Column] = (),
) -> tuple[Findings, list[Tensor]]:
    """What the columns are, so that every row fits; and the cells of some rows.

    Args:
        parts: of the table.
        kinds: as for `find_columns`.
        where: what messages call the table.
        chosen: sorted places of random rows, which show most of it.
        wanted: sorted places of rows, of which the cells are.
        known: the columns, if these are given; rows are then read as they say.

    Returns:
        The columns, and the cells of each of `wanted`.

    Raises:
        DataError: as `find_columns`.
    """
    rows = None if known else Rows(parts, chosen)
    for _ in range(TRIES):
        found = Findings(list(known)) if rows is None else rows.find(kinds, where)
        cells, odd = _cells(parts, found.columns, wanted, strict=not known)
        if odd is None or rows is None:
            return found, cells
        rows.tables.append(odd)
    raise DataError(
        f"{where}: {TRIES} times a row did not fit the columns that the others show; name their kinds with --column"
    )


def _cells(
    parts: Sequence[Part], columns: Sequence[Column], wanted: Sequence[np.ndarray], *, strict: bool
) -> tuple[list[Tensor], pa.Table | None]:
    """The cells of the rows that are wanted, and None; or the first row that does not fit."""
    found: list[list[Tensor]] = [[] for _ in wanted]
    first = 0
    for part in bar(parts, "rows", [part.rows for part in parts]):
        table = part.read()
        try:
            cells = cells_of(table, columns, part.where)
            odd = _misfit(cells, columns) if strict else None
        except ChainruleError:
            if not strict:
                raise
            cells, odd = torch.empty(0), _refused(table, columns, part.where)
        if odd is not None:
            return [], table.slice(odd, 1)
        for own, places in zip(found, wanted, strict=True):
            some = places[slice(*np.searchsorted(places, [first, first + part.rows]))]
            own.append(cells[some - first])
        first += part.rows
    return [torch.cat(own) for own in found], None


def _misfit(cells: Tensor, columns: Sequence[Column]) -> int | None:
    """The first row with a cell off its column's grid, beyond its ends, of no category that it lists, or missing."""
    bad = np.zeros(len(cells), bool)
    for values, column in zip(cells.numpy().T, columns, strict=True):
        if not column.missing:
            bad |= np.isnan(values)
        if column.categories:
            bad |= values >= len(column.categories)
        elif column.kind == "number":
            lowest, highest = column.ends
            if lowest is not None:
                bad |= values < lowest
            if highest is not None:
                bad |= values > highest
            if column.step is not None:
                count, scale = as_fraction(column.step)
                whole = np.rint(values * scale / count)
                kind = np.float32 if column.spelling == "float" else np.float64
                bad |= ((whole * count / scale).astype(kind) != values.astype(kind)) & ~np.isnan(values)
    return int(bad.argmax()) if bad.any() else None


def _refused(table: pa.Table, columns: Sequence[Column], where: str) -> int:
    """The first row that cannot be encoded, by halves."""
    first, rows = 0, table.num_rows
    while rows > 1:
        half = rows // 2
        try:
            cells_of(table.slice(first, half), columns, where)
            first, rows = first + half, rows - half
        except ChainruleError:
            rows = half
    return first

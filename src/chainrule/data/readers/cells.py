"""The text of one column of a file → numbers, booleans, dates or text; what is odd is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.notes import Notes, counted, listed, plain
from chainrule.data.readers.counts import Counts
from chainrule.data.readers.missing import PLACEHOLDERS
from chainrule.data.readers.numerals import (
    LOOSE,
    PLAIN,
    SIMPLE,
    ZEROS,
    all_match,
    any_match,
    mask_of,
    plain_numbers,
    spelt_alike,
    spelt_numbers,
)
from chainrule.data.spelling import BOOLEANS, CURRENCIES

NUMBERS = ("number", "integer", "real")
MOST_ODD = 0.05  # share of other cells that a column of numbers may have
FEWEST = 3  # numbers beside which one odd cell is no level of its own
FEW_VALUES = 20  # numbers of so few different values may be codes, and a text that recurs one of them
PLAINEST = ("", ".")
DATES = r"^\d{1,4}([./-])\d{1,2}[./-]\d{1,4}"  # three numbers apart, the middle one of a month or a day


@dataclass
class Cells:
    """One column of text, on the way to a type.

    Attributes:
        name: of the column.
        raw: its cells.
        levels: the categories of a column that is known to be text; None of any other.
        kind: what the user or the run says the column is; None for nothing.
        trimmed: the cells without the spaces around them.
        missing: which cells are missing, (N,) bool.
        counts: the texts that are there, and how often each is; a text may come several times.
        styles: (thousands, decimal) conventions by which its numbers can be read; none if it is text.
        affixes: what is before and after the digits.
        odd: cells that are not numbers, with counts.
        share: of cells that look like numbers, if it is not a column of numbers without a doubt.
    """

    name: str
    raw: pa.Array
    levels: Collection | None = None
    kind: str | None = None
    trimmed: pa.Array = field(init=False)
    missing: np.ndarray = field(init=False)
    counts: Counts = field(init=False)
    styles: tuple[tuple[str, str], ...] = ()
    affixes: tuple[str, str] = ("", "")
    odd: Counter = field(default_factory=Counter)
    share: float = 0.0

    def __post_init__(self) -> None:
        self.trimmed = pc.utf8_trim_whitespace(self.raw)
        self.missing = np.zeros(len(self.raw), bool)

    @property
    def present(self) -> pa.Array:
        """The cells that are not missing, without the spaces around them."""
        return self.trimmed.filter(pa.array(~self.missing)) if self.missing.any() else self.trimmed

    def keep(self, start: int, stop: int) -> None:
        """Leave out the rows before and after these."""
        rows = len(self.raw)
        self.odd -= Counter(self.trimmed[row].as_py() for row in (*range(start), *range(stop, rows)))
        self.raw, self.trimmed = (cells.slice(start, stop - start) for cells in (self.raw, self.trimmed))
        self.missing = self.missing[start:stop]
        self.counts = Counts.of(self.present)

    def survey(self, missing: Collection[str]) -> None:
        """Find the missing cells, and how its numbers are spelt if it is a column of numbers."""
        self.missing = mask_of(pc.is_in(self.trimmed, pa.array(sorted({*missing}), pa.string())))
        self.counts = counts = Counts.of(self.present)
        if self.levels is not None or not len(counts.texts):
            return
        simple = all_match(counts.texts, SIMPLE)
        if not simple and self.kind not in NUMBERS and any_match(counts.texts, ZEROS):
            self.share = counts.share(LOOSE)
            return
        if simple or all_match(counts.texts, PLAIN):
            grouped = all_match(counts.texts, r"^[-+]?[1-9]\d{0,2}(\.\d{3})+$")
            self.styles = (PLAINEST, (".", ",")) if grouped else (PLAINEST,)
            return
        self.share = counts.share(LOOSE)
        if self.share >= 0.1:
            every = counts.counter()
            styles, affixes, good = spelt_alike(every)
            odd = Counter({text: count for text, count in every.items() if text not in good})
            if styles and self._is_of_numbers(every.total(), len(good), odd):
                self.styles, self.affixes, self.odd = styles, affixes, odd

    def _is_of_numbers(self, total: int, distinct: int, odd: Counter) -> bool:
        """Whether cells that are not numbers are odd, and not levels beside others that look like numbers."""
        if self.kind in NUMBERS or not odd:
            return True
        if self.kind == "categorical":
            return False
        numbers = total - odd.total()
        others = Counter({text: count for text, count in odd.items() if text not in PLACEHOLDERS})
        if not others:
            return numbers >= max(2, total / 10)
        few = others.total() <= MOST_ODD * total or (others.total() == 1 and numbers >= FEWEST)
        return few and (distinct > FEW_VALUES or max(others.values()) == 1)

    @property
    def decimal(self) -> str | None:
        """The decimal sign that its numbers leave no doubt about."""
        signs = {decimal for _, decimal in self.styles}
        (sign,) = signs if len(signs) == 1 else (None,)
        shown = self.styles and (sign == "," or self.styles[0][0] or any_match(self.counts.texts, r"\."))
        return sign if shown else None

    def read(self, comma: bool | None, semicolons: bool, notes: Notes) -> tuple[pa.Array, str]:
        """The cells with their type, and how the column is spelt.

        Args:
            comma: whether other columns show that the decimal sign of the file is a comma; None if nothing does.
            semicolons: whether cells are separated by semicolons.
            notes: takes what is odd.
        """
        found = None
        if self.styles:
            found = self._numbers(*self._style(comma, semicolons), notes)
        elif self.levels is None:
            self._say_text(notes)
            found = self._booleans() or self._moments()
        return found or (self._text(notes), "")

    def _style(self, comma: bool | None, semicolons: bool) -> tuple[tuple[str, str], str]:
        """The one convention, where 1,234 or 1.234 leave two; and what decides it."""
        if len(self.styles) == 1:
            return self.styles[0], ""
        why = ", as the decimal signs of other columns say"
        if comma is None:
            money = any(mark in CURRENCIES for affix in self.affixes for mark in affix.strip())
            comma = semicolons and ("", ",") in self.styles and not money  # which has no thousandths
            why = ", which nothing in the file decides"
        return next(style for style in self.styles if (style[1] == ",") == comma), why

    def _numbers(self, style: tuple[str, str], why: str, notes: Notes) -> tuple[pa.Array, str] | None:
        """Numbers, with odd cells missing; None where whole numbers are too large."""
        gone = self.missing | mask_of(pc.is_in(self.trimmed, pa.array(list(self.odd), pa.string())))
        cells = pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), self.trimmed)
        spelt = self.affixes != ("", "") or style[0] != ""
        try:
            if style == PLAINEST and not spelt:
                values, spelling = plain_numbers(cells, cells.drop_null() if self.odd else self.counts.texts)
            else:
                values, spelling = spelt_numbers(cells, style, self.affixes)
        except pa.ArrowInvalid:
            notes.found.append(f"{self._named}: read as text, for it has whole numbers too large for 64 bits")
            return None
        if self.odd:
            what = counted(self.odd.total(), "cell is not a number", "cells are not numbers")
            notes.changed.append(
                f"{self._named}: {what}, read as missing: {self._listed(self.odd)}; "
                f"--column {plain(self.name)}=categorical keeps the text"
            )
        if spelt or (why and style != PLAINEST):
            marked = mask_of(pc.match_substring(self.trimmed, style[0] or style[1]))
            at = int(np.argmax(~gone & marked if (~gone & marked).any() else ~gone))
            notes.found.append(
                f"{self._named}: {plain(self.trimmed[at])!r} is read as {values[at].as_py():.12g}{why}"
            )
        return values, spelling

    def _text(self, notes: Notes) -> pa.Array:
        """Text as it stands; known categories are found without the spaces around them too, as older runs have them."""
        spaces = int((mask_of(pc.equal(self.trimmed, "")) & ~mask_of(pc.equal(self.raw, ""))).sum())
        if spaces:
            notes.changed.append(f"{self._named}: {counted(spaces, 'cell')} of spaces only, read as missing")
        cells = self.raw
        if self.levels:
            own = pa.array([level for level in self.levels if isinstance(level, str)], pa.string())
            known = pc.or_(pc.is_in(cells, own), pc.invert(pc.is_in(self.trimmed, own)))
            cells = pc.if_else(known, cells, self.trimmed)
        return self._with_gaps(cells)

    def _say_text(self, notes: Notes) -> None:
        """Say why a column is text in which most cells look like numbers."""
        texts = self.counts.texts
        if self.kind == "categorical" or self.share < 0.5 or self.counts.share(DATES) > 0.5:
            return
        others = self.counts.without(LOOSE)
        zeros = texts.filter(pc.match_substring_regex(texts, ZEROS))
        if len(zeros):
            why, way_out = f"{self._listed(Counter([zeros[0].as_py()]))} begins with a zero", "reads numbers"
        elif others:
            what = f"{others.total():,} of {counted(int(self.counts.counts.sum()), 'cell')} are not numbers"
            why, way_out = f"{what}: {self._listed(others)}", "reads them as missing"
        else:
            why, way_out = "its numbers are not spelt alike", "reads the rarer ones as missing"
        notes.found.append(
            f"{self._named}: read as text, for {why}; --column {plain(self.name)}=number {way_out}"
        )

    def _booleans(self) -> tuple[pa.Array, str] | None:
        words = pa.array(sorted({word for words in BOOLEANS for word in words.split("/")}))
        if not pc.all(pc.is_in(self.counts.texts, words)).as_py():  # or null, of none
            return None
        texts = {*self.counts.texts.unique().to_pylist()}
        spelt = next((words for words in BOOLEANS if texts <= {*words.split("/")}), BOOLEANS[0])
        cells = self._with_gaps(pc.equal(pc.utf8_lower(self.trimmed), "true"))
        return cells, "" if spelt == BOOLEANS[0] else spelt

    def _moments(self) -> tuple[pa.Array, str] | None:
        """Dates and times in ISO's format, of the types that pyarrow infers."""
        texts = self.counts.texts
        if not len(texts) or not all_match(texts, r"^(\d{4}-\d{2}-\d{2}|\d{2}:\d{2})"):
            return None
        cells = self._with_gaps(self.trimmed)
        days, times = (pa.date32(), pa.time32("s")), (pa.timestamp("s"), pa.timestamp("ns"))
        for kind in (*days, *times, pa.timestamp("ns", "UTC")):
            try:
                return cells.cast(kind), ""
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                continue
        return None

    def _with_gaps(self, cells: pa.Array) -> pa.Array:
        return pc.if_else(pa.array(self.missing), pa.scalar(None, cells.type), cells)

    @property
    def _named(self) -> str:
        return f"column {plain(self.name)!r}"

    def _listed(self, texts: Counter) -> str:
        """The commonest texts, each with its first row."""
        return listed(
            f"{plain(text)!r} (row {pc.index(self.trimmed, text).as_py()}{f', {count:,} times' * (count > 1)})"
            for text, count in texts.most_common()
        )

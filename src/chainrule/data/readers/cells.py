"""Text of one column of a file → numbers, booleans, dates or text; what is odd is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from chainrule.data.notes import Notes, counted, listed, plain
from chainrule.data.spelling import BOOLEANS, CURRENCIES, GROUPING, Spelling

# What stands for a missing cell unless the user says it: what pyarrow and pandas agree on.
NA = "NA"
MISSING = frozenset([*arrow_csv.ConvertOptions().null_values, "<NA>"])
# What stands for one in a column of numbers, however often.
PLACEHOLDERS = frozenset("? - -- --- – — . .. ... * n.a. na N.A. none None unknown Unknown missing Missing #REF! #DIV/0!".split())
MOST_ODD = 0.05  # share of other cells that a column of numbers may have
FEWEST = 3  # numbers beside which one odd cell is no level of its own
EXACT = 1 << 53  # up to here float64 holds every whole number
FEW_VALUES = 20  # whole numbers of so few different values may be codes, and a repeated text one more of them
LOOSE = rf"^[-+−]?[{CURRENCIES}]?\s?[-+−]?[\d.,][\d{GROUPING}]*([eE][-+]?\d+)?\s?[%{CURRENCIES}]?$"
PLAIN = r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
WHOLE = r"^[-+−]?\d+$"
ZEROS = r"^[-+]?0\d+$"
PARTS = re.compile(
    rf"(?P<sign>[-+−]?)(?P<prefix>[{CURRENCIES}]? ?)(?P<inner>[-+−]?)(?P<body>[\d.,](?:[\d{GROUPING}]*[\d.,])?)"
    rf"(?P<power>[eE][-+]?\d+)?(?P<suffix>\s?[%{CURRENCIES}]?)"
)
# (thousands, decimal), the plainest first
CONVENTIONS = (
    ("", "."),
    ("", ","),
    (",", "."),
    (".", ","),
    *((group, decimal) for group in GROUPING[2:] for decimal in ".,"),
)


def _body(group: str, decimal: str) -> re.Pattern:
    group, decimal = re.escape(group), re.escape(decimal)
    grouped = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+|" if group else ""
    return re.compile(rf"(?:{grouped}\d+)(?:{decimal}\d*)?|{decimal}\d+")


BODIES = {convention: _body(*convention) for convention in CONVENTIONS}


@dataclass
class Cells:
    """One column of text, as it is read step by step.

    Attributes:
        name: of the column.
        raw: its cells.
        levels: the categories that a known column of text has; None of any other column.
        kind: what the user or the run says the column is; None for nothing.
        missing: which cells are missing, (N,) bool.
        styles: conventions by which its numbers can be read; empty if it is text.
        affixes: what is before and after the digits.
        odd: cells that are no numbers, with counts.
    """

    name: str
    raw: pa.Array
    levels: Collection | None = None
    kind: str | None = None
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    styles: tuple[tuple[str, str], ...] = ()
    affixes: tuple[str, str] = ("", "")
    odd: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.trimmed = pc.utf8_trim_whitespace(self.raw)

    def drop(self, rows: slice) -> None:
        """Keep some of the rows only."""
        length = rows.stop - rows.start
        self.raw, self.trimmed = (cells.slice(rows.start, length) for cells in (self.raw, self.trimmed))
        self.missing = self.missing[rows]

    @property
    def present(self) -> pa.Array:
        """The cells that are not missing, without the spaces around them."""
        return self.trimmed.filter(pa.array(~self.missing))

    @property
    def plain(self) -> bool:
        """Whether all of its numbers are as Python spells them."""
        return not self.odd and self.affixes == ("", "") and ("", ".") in self.styles

    def survey(self, missing: Collection[str]) -> None:
        """Find the missing cells, and how numbers are spelt if it is a column of numbers."""
        self.missing = _mask(pc.is_in(self.trimmed, pa.array(sorted({*missing}), pa.string())))
        present = self.present
        if self.levels is not None or not len(present):
            return
        if _all(present, PLAIN):
            self.styles = (("", "."), (".", ",")) if _all(present, r"^[-+]?[1-9]\d{0,2}(\.\d{3})+$") else (("", "."),)
        elif pc.mean(pc.match_substring_regex(present, LOOSE)).as_py() >= 0.1:
            self._find_styles(present)
        if self.styles and self.kind not in NUMBERS and _any(present, ZEROS):
            self.styles, self.odd = (), Counter()

    def _find_styles(self, present: pa.Array) -> None:
        counts = Counter({entry["values"]: entry["counts"] for entry in present.value_counts().to_pylist()})
        parts = {text: found for text in counts if (found := PARTS.fullmatch(text))}
        affixes: Counter = Counter()
        for text, found in parts.items():
            affixes[found["prefix"], found["suffix"]] += counts[text]
        if not affixes:
            return
        chosen = affixes.most_common(1)[0][0]
        bodies = {text: found["body"] for text, found in parts.items() if (found["prefix"], found["suffix"]) == chosen}
        fits = {
            style: sum(counts[text] for text, body in bodies.items() if BODIES[style].fullmatch(body))
            for style in CONVENTIONS
        }
        most = max(fits.values())
        marks = "".join({*"".join(bodies.values())})
        styles = tuple(style for style in CONVENTIONS if fits[style] == most and _occurs(style, marks))
        good = {text for text, body in bodies.items() if most and BODIES[styles[0]].fullmatch(body)}
        odd = Counter({text: count for text, count in counts.items() if text not in good})
        if most and self._is_of_numbers(most, len(good), odd):
            self.styles, self.affixes, self.odd = styles, chosen, odd

    def _is_of_numbers(self, numbers: int, distinct: int, odd: Counter) -> bool:
        """Whether the rest of a column is odd cells, and not levels beside which some look like numbers."""
        others = Counter({text: count for text, count in odd.items() if text not in PLACEHOLDERS})
        if self.kind in NUMBERS or not odd:
            return True
        if self.kind == "categorical":
            return False
        total = numbers + odd.total()
        if not others:
            return numbers >= max(2, total / 10)
        few = others.total() == 1 and numbers >= FEWEST or others.total() <= MOST_ODD * total
        return few and (distinct > FEW_VALUES or max(others.values()) == 1)

    def read(self, comma: bool | None, semicolons: bool, notes: Notes) -> tuple[pa.Array, str]:
        """The cells with their type, and the spelling of the column.

        Args:
            comma: whether other columns show that the decimal sign of the file is a comma; None if nothing does.
            semicolons: whether cells are separated by semicolons.
            notes: takes what is odd.
        """
        if self.styles:
            found = self._numbers(*self._style(comma, semicolons), notes)
            if found is not None:
                return found
        elif self.levels is None:
            self._say_text(notes)
            for reader in (self._booleans, self._moments):
                if (other := reader()) is not None:
                    return other
        spaces = int((_mask(pc.equal(self.trimmed, "")) & ~_mask(pc.equal(self.raw, ""))).sum())
        if spaces:
            notes.changed.append(f"column {plain(self.name)!r}: {counted(spaces, 'cell')} of spaces only, read as missing")
        return self._with_gaps(self._known(self.raw)), ""

    def _known(self, cells: pa.Array) -> pa.Array:
        """Categories that were trained without the spaces around them are found without them."""
        if not self.levels:
            return cells
        own = pa.array([level for level in self.levels if isinstance(level, str)], pa.string())
        return pc.if_else(pc.is_in(cells, own), cells, pc.if_else(pc.is_in(self.trimmed, own), self.trimmed, cells))

    def _with_gaps(self, cells: pa.Array) -> pa.Array:
        return pc.if_else(pa.array(self.missing), pa.scalar(None, cells.type), cells)

    @property
    def decimal(self) -> str | None:
        """The decimal sign that its numbers leave no doubt about."""
        signs = {decimal for _, decimal in self.styles}
        (sign,) = signs if len(signs) == 1 else (None,)
        shown = self.styles and (sign == "," or self.styles[0][0] or _any(self.present, r"\."))
        return sign if shown else None

    def _style(self, comma: bool | None, semicolons: bool) -> tuple[tuple[str, str], str]:
        """The one convention, where 1,234 or 1.234 leave two; and what decides it."""
        if len(self.styles) == 1:
            return self.styles[0], ""
        if comma is not None:
            why = "as the decimal signs of other columns say"
        else:
            comma = semicolons and ("", ",") in self.styles
            why = "which nothing in the file decides"
        return next(style for style in self.styles if (style[1] == ",") == comma), why

    def _numbers(self, style: tuple[str, str], why: str, notes: Notes) -> tuple[pa.Array, str] | None:
        """Numbers, with odd cells missing; None where whole numbers are too large for 64 bits."""
        gone = self.missing | _mask(pc.is_in(self.trimmed, pa.array(list(self.odd), pa.string())))
        cells = pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), self.trimmed)
        try:
            values, spelling = _plain(cells) if style + self.affixes == ("", ".", "", "") else self._spelt(cells, style)
        except pa.ArrowInvalid:
            notes.found.append(
                f"column {plain(self.name)!r}: read as text, for it has whole numbers too large for 64 bits"
            )
            return None
        self._say_odd(notes)
        if why and style != ("", ".") or self.affixes != ("", "") or style[0]:
            at = int(np.argmin(gone | (_mask(pc.match_substring(self.trimmed, style[0] or style[1])) == 0)))
            cell = self.trimmed[at].as_py()
            notes.found.append(
                f"column {plain(self.name)!r}: {plain(cell)!r} is read as {values[at].as_py():.12g}{why and f', {why}'}"
            )
        return values, spelling

    def _spelt(self, cells: pa.Array, style: tuple[str, str]) -> tuple[pa.Array, str]:
        """Numbers with marks."""
        texts = cells.unique().drop_null()
        parts = [found for text in texts.to_pylist() if (found := PARTS.fullmatch(text))]
        values = [_value(found, style) for found in parts]
        whole = all(style[1] not in found["body"] for found in parts)
        if whole and any(abs(value) >= EXACT for value in values):
            raise pa.ArrowInvalid("too large")
        column = pa.array(values, pa.float64()).take(pc.index_in(cells, texts))
        spelling = Spelling(*self.affixes, *style, 0 if whole else _places(texts, style[1]))
        return column.cast(pa.int64()) if whole else column, "" if spelling.plain else str(spelling)

    def _say_odd(self, notes: Notes) -> None:
        if not self.odd:
            return
        texts = self.trimmed.to_pylist()
        shown = [f"{plain(text)!r} (row {texts.index(text)}{f', {count:,} times' * (count > 1)})" for text, count in self.odd.most_common()]
        notes.changed.append(
            f"column {plain(self.name)!r}: {counted(self.odd.total(), 'cell is no number', 'cells are no numbers')}, read as missing: "
            f"{listed(shown)}; --column {plain(self.name)}=categorical keeps the text"
        )

    def _say_text(self, notes: Notes) -> None:
        """A column of text in which most cells are numbers."""
        present = self.present
        if not len(present) or self.kind == "categorical":
            return
        numbers = _mask(pc.match_substring_regex(present, LOOSE))
        if _any(present, ZEROS) and numbers.all():
            at = int(np.argmax(_mask(pc.match_substring_regex(self.trimmed, ZEROS))))
            notes.found.append(
                f"column {plain(self.name)!r}: read as text, for {self.trimmed[at].as_py()!r} (row {at}) begins with a zero; "
                f"--column {plain(self.name)}=number reads numbers"
            )
        elif numbers.mean() >= 0.5:
            others = Counter(present.filter(pa.array(~numbers)).to_pylist())
            shown = [f"{plain(text)!r}" for text, _ in others.most_common()]
            why = f"{others.total():,} of {len(present):,} cells are no numbers: {listed(shown)}" if others else "its numbers are not spelt alike"
            notes.found.append(
                f"column {plain(self.name)!r}: read as text, for {why}; --column {plain(self.name)}=number reads them as missing"
            )

    def _booleans(self) -> tuple[pa.Array, str] | None:
        texts = {*self.present.unique().to_pylist()}
        words = next((words for words in BOOLEANS if texts and texts <= {*words.split("/")}), None)
        mixed = {word for words in BOOLEANS for word in words.split("/")}
        if not texts or not texts <= mixed:
            return None
        true = pc.equal(pc.utf8_lower(self.trimmed), "true")
        return self._with_gaps(true), words if words and words != BOOLEANS[0] else ""

    def _moments(self) -> tuple[pa.Array, str] | None:
        """Dates and times in ISO's format, as pyarrow infers them."""
        if not _all(self.present, r"^(\d{4}-\d{2}-\d{2}|\d{2}:\d{2})"):
            return None
        cells = self._with_gaps(self.trimmed)
        for kind in (pa.date32(), pa.time32("s"), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
            try:
                return cells.cast(kind), ""
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                continue
        return None


NUMBERS = ("number", "integer", "real")


def missing_texts(columns: Mapping[str, pa.Array], chosen: Collection[str] | None) -> dict[str, frozenset[str]]:
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
        found = {*cells.filter(pc.is_in(cells, every)).unique().to_pylist()}
        rest = cells.filter(pc.invert(pc.is_in(cells, every)))
        if NA not in found:
            continue
        if not len(rest) or pc.mean(pc.match_substring_regex(rest, LOOSE)).as_py() >= 0.5:
            spells_numbers |= bool(len(rest))
        else:
            texts[name] = _all(rest, "^[A-Z]{2}$"), found == {NA}
    values = {name for name, (codes, alone) in texts.items() if codes or (alone and not spells_numbers)}
    return {name: MISSING - {NA} if name in values else MISSING for name in columns}


def _value(found: re.Match, style: tuple[str, str]) -> float:
    group, decimal = style
    body = found["body"].replace(group, "") if group else found["body"]
    sign = (found["sign"] or found["inner"]).replace("−", "-")
    return float(f"{sign}{body.replace(decimal, '.')}{found['power'] or ''}")


def _occurs(style: tuple[str, str], marks: str) -> bool:
    """Whether the marks of a convention are there; a point need not be."""
    group, decimal = style
    return (not group or group in marks) and (decimal == "." or decimal in marks)


def _places(texts: pa.Array, decimal: str) -> int | None:
    """How many decimals all cells have; None if they differ."""
    ends = pc.struct_field(pc.extract_regex(texts, rf"{re.escape(decimal)}(?P<ends>\d+)\D*$"), "ends")
    found = pc.utf8_length(ends).unique().to_pylist()
    return found[0] if len(found) == 1 else None


def _plain(cells: pa.Array) -> tuple[pa.Array, str]:
    """Numbers as Python spells them; with their decimals where these end in zeros."""
    there = cells.drop_null()
    digits = pc.replace_substring(pc.replace_substring_regex(cells, r"^\+", ""), "−", "-")
    values = digits.cast(pa.int64() if _all(there, WHOLE) else pa.float64())
    places = _places(there, ".") if _any(there, r"\.\d+0$") else None
    return values, str(Spelling(places=places)) if places else ""


def _mask(flags: pa.Array) -> np.ndarray:
    return np.asarray(flags.to_numpy(zero_copy_only=False), bool)


def _all(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern), min_count=0).as_py())


def _any(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern), min_count=0).as_py())

"""How numbers are spelt in cells: patterns, conventions of separators, values."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.spelling import CURRENCIES, GROUPING, Spelling

FIRST = 1000
EXACT = 1 << 53  # up to here float64 holds every whole number
INFINITE = "(?i:inf(?:inity)?)"  # a number, which is refused later, by its row
# What looks like a number, what is one for Python, whole ones, and those with zeros that a number would lose.
LOOSE = (
    rf"^[-+−]?[{CURRENCIES}]?\s?[-+−]?([\d.,][\d{GROUPING}]*([eE][-+]?\d+)?|{INFINITE})\s?[%{CURRENCIES}]?$"
)
PLAIN = rf"^[-+]?(\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|{INFINITE})$"
WHOLE = r"^[-+−]?\d+$"
SIMPLE = r"^-?(0|[1-9]\d*)(\.\d+)?$"  # such as PLAIN, and not ZEROS
ZEROS = r"^[-+]?0\d+$"
PARTS = re.compile(
    rf"(?P<sign>[-+−]?)(?P<prefix>[{CURRENCIES}]? ?)(?P<inner>[-+−]?)"
    rf"(?P<body>[\d.,](?:[\d{GROUPING}]*[\d.,])?|{INFINITE})"
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
    return re.compile(rf"(?:{grouped}\d+)(?:{decimal}\d*)?|{decimal}\d+|{INFINITE}")


BODIES = {convention: _body(*convention) for convention in CONVENTIONS}


def spelt_alike(counts: Counter) -> tuple[tuple[tuple[str, str], ...], tuple[str, str], set[str]]:
    """By which conventions most of the texts of a column are numbers.

    Args:
        counts: text → how often it occurs.

    Returns:
        The conventions, none if no text is a number; what is before and after the digits; the texts that are numbers.
    """
    parts = {text: found for text in counts if (found := PARTS.fullmatch(text))}
    affixes: Counter = Counter()
    for text, found in parts.items():
        affixes[found["prefix"], found["suffix"]] += counts[text]
    if not affixes:
        return (), ("", ""), set()
    chosen = affixes.most_common(1)[0][0]
    bodies = {
        text: found["body"] for text, found in parts.items() if (found["prefix"], found["suffix"]) == chosen
    }
    fits = {
        style: sum(counts[text] for text, body in bodies.items() if BODIES[style].fullmatch(body))
        for style in CONVENTIONS
    }
    most, marks = max(fits.values()), "".join({*"".join(bodies.values())})
    styles = tuple(style for style in CONVENTIONS if 0 < fits[style] == most and _occurs(style, marks))
    return (
        styles,
        chosen,
        {text for text, body in bodies.items() if styles and BODIES[styles[0]].fullmatch(body)},
    )


def _occurs(style: tuple[str, str], marks: str) -> bool:
    """Whether the marks of a convention are there; a point need not be."""
    group, decimal = style
    return (not group or group in marks) and (decimal == "." or decimal in marks)


def value_of(text: str, style: tuple[str, str]) -> float:
    """The number that a text is by a convention."""
    found, (group, decimal) = PARTS.fullmatch(text), style
    assert found is not None
    body = found["body"].replace(group, "") if group else found["body"]
    sign = (found["sign"] or found["inner"]).replace("−", "-")
    return float(f"{sign}{body.replace(decimal, '.')}{found['power'] or ''}")


def places_of(texts: pa.Array, decimal: str) -> int | None:
    """How many decimals all cells have; None if they differ."""
    ends = pc.struct_field(pc.extract_regex(texts, rf"{re.escape(decimal)}(?P<ends>\d+)\D*$"), "ends")
    found = pc.utf8_length(ends).unique().to_pylist()
    return found[0] if len(found) == 1 else None


def plain_numbers(cells: pa.Array, texts: pa.Array) -> tuple[pa.Array, str]:
    """Numbers as Python spells them; with their decimals where these end in zeros. The texts are those of the cells."""
    kind = pa.int64() if all_match(texts, WHOLE) else pa.float64()
    if any_match(texts, "^[+−]"):  # arrow's whole numbers have no plus
        cells = pc.replace_substring(pc.replace_substring(cells, "+", "", max_replacements=1), "−", "-")
    values = cells.cast(kind)
    places = places_of(texts, ".") if any_match(texts, r"\.\d+0$") else None
    return values, str(Spelling(places=places)) if places else ""


def spelt_numbers(cells: pa.Array, style: tuple[str, str], affixes: tuple[str, str]) -> tuple[pa.Array, str]:
    """Numbers with other marks, and how they are spelt.

    Raises:
        pyarrow.ArrowInvalid: on whole numbers that float64 does not hold.
    """
    texts = cells.unique().drop_null()
    values = [value_of(text, style) for text in texts.to_pylist()]
    whole = not any_match(texts, rf"{re.escape(style[1])}|{INFINITE}|[eE]")
    if whole and any(abs(value) >= EXACT for value in values):
        raise pa.ArrowInvalid("whole numbers are too large")
    column = pa.array(values, pa.float64()).take(pc.index_in(cells, texts))
    spelling = Spelling(*affixes, *style, 0 if whole else places_of(texts, style[1]))
    return column.cast(pa.int64()) if whole else column, "" if spelling.plain else str(spelling)


def mask_of(flags: pa.Array) -> np.ndarray:
    """Flags as booleans (N,)."""
    return np.asarray(flags.to_numpy(zero_copy_only=False), bool)


def all_match(cells: pa.Array, pattern: str) -> bool:
    """Whether a pattern is found in all cells; in none of none, too."""
    return all(
        pc.all(pc.match_substring_regex(part, pattern), min_count=0).as_py() for part in _in_parts(cells)
    )


def any_match(cells: pa.Array, pattern: str) -> bool:
    """Whether a pattern is found in a cell."""
    return any(
        pc.any(pc.match_substring_regex(part, pattern), min_count=0).as_py() for part in _in_parts(cells)
    )


def _in_parts(cells: pa.Array) -> tuple[pa.Array, pa.Array]:
    """A few cells, which mostly decide, and the others."""
    return cells[:FIRST], cells[FIRST:]


def share_matching(cells: pa.Array, pattern: str) -> float:
    """The share of cells in which a pattern is found; 0 of none."""
    return pc.mean(pc.match_substring_regex(cells, pattern)).as_py() or 0.0

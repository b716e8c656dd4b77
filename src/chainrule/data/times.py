"""Dates, times of day and durations ↔ whole numbers of their natural grain, such as days since 1970."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chainrule.errors import DataError

# Grains, the coarsest first, and arrow's units, in microseconds.
GRAINS = {
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "day": 86_400_000_000}
# Spellings of text, as strptime has them; "-d" and "-m" are numbers without a leading zero.
DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
)
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f")
FORMATS = (
    *DATES,
    *(
        f"{day}{gap}{clock}{zone}"
        for day in DATES
        for gap in (" ", "T")
        for clock in CLOCKS
        for zone in ("", "Z")
    ),
    *CLOCKS,
)
ISO = "ISO"  # whatever Python reads as such, with a zone or without
PROBED = 100  # texts that a spelling is tried on first
EPOCH = datetime(1970, 1, 1)
PERIODS = {"weekday": 7, "month": 365, "hour": 1, "day": 31}  # of the calendar's parts, in days
FIRST, LAST = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max))
NANOSECONDS = (1 << 63) // 1000 - 1  # the most microseconds that int64 holds in nanoseconds
ARROW = re.compile(r"(timestamp|time32|time64|duration|date32|date64)\[(\w+)(?:, tz=(.+))?\]")


def spelling_of(cells: pa.ChunkedArray) -> str | None:
    """How the cells of times are written, "GRAIN: TYPE", or None if they are none.

    The grain is the coarsest that every cell is a whole number of, microseconds at the finest; the type is arrow's, or
    of text the spelling that reads every cell and gives the same text back. Intervals of months have no grain.
    """
    if pa.types.is_temporal(cells.type):
        if not ARROW.fullmatch(str(cells.type)) or _finer(cells):
            return None
        return f"{_grain(_microseconds(cells))}: {cells.type}"
    texts = [text for text in cells.unique().to_pylist() if text is not None]
    found = text_format(texts)
    return found and f"{_grain(_parsed(texts, found))}: {found}"


def text_format(texts: list[str]) -> str | None:
    """The first spelling of `FORMATS` that every text has, letter by letter."""
    if not texts or not all(text[:1].isdigit() and 4 < len(text) < 30 for text in texts[:PROBED]):
        return None
    for given in FORMATS:
        for spelt in (given, given.replace("%d", "%-d").replace("%m", "%-m")):
            if all(_same(text, spelt) for text in texts[:PROBED]) and all(
                _same(text, spelt) for text in texts
            ):
                return spelt
    return None


def to_numbers(cells: pa.ChunkedArray, spelling: str) -> np.ndarray:
    """Cells, temporal or text, as float64 counts of the spelling's grain (N,), NaN where missing.

    Text that has another known spelling is read by that. A column in days may hold fractions, a cell finer than float64
    holds may not.

    Raises:
        DataError: on text that is no time.
    """
    grain, kind = spelling.split(": ", 1)
    if pa.types.is_temporal(cells.type):
        counts = _microseconds(cells)
    else:
        coded = cells.combine_chunks().dictionary_encode()
        texts = coded.dictionary.to_pylist()
        parsed = np.array([*(_read(text, kind) for text in texts), 0], np.int64)
        places = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        counts = np.ma.array(parsed[places], mask=places == len(texts))
    whole, rest = np.divmod(counts.filled(0), GRAINS[grain])
    return np.where(np.ma.getmaskarray(counts), np.nan, whole + rest / GRAINS[grain])


def from_numbers(values: np.ndarray, spelling: str) -> pa.Array:
    """The inverse: float64 counts (N,) as an arrow array of the spelling's type, or of text.

    What lies beyond the years 1 to 9999, or 1678 to 2262 in nanoseconds, becomes the first or last moment within.
    """
    grain, kind = spelling.split(": ", 1)
    gaps, size, match = np.isnan(values), GRAINS[grain], ARROW.fullmatch(kind)
    nanoseconds = match is not None and match[2] == "ns"
    low, high = (-NANOSECONDS, NANOSECONDS) if nanoseconds else (FIRST, LAST)
    kept = np.where(gaps, 0, values).clip(low / size, high / size)
    whole = np.floor(kept)
    counts = (whole.astype(np.int64) * size + np.rint((kept - whole) * size).astype(np.int64)).clip(low, high)
    if match is None:
        texts = {
            count: _spelt(EPOCH + timedelta(microseconds=int(count)), kind) for count in np.unique(counts)
        }
        return pa.array([None if gap else texts[n] for gap, n in zip(gaps, counts, strict=True)], pa.string())
    name, unit, zone = match.groups()
    ticks = counts * 1000 if nanoseconds else counts // UNITS[unit]
    width = np.int32 if name in ("date32", "time32") else np.int64
    return pa.array(ticks.astype(width), mask=gaps).cast(type_of(name, unit, zone))


def type_of(name: str, unit: str, zone: str | None) -> pa.DataType:
    """Arrow's type of these words."""
    if name in ("date32", "date64"):
        return getattr(pa, name)()
    return pa.timestamp(unit, zone) if name == "timestamp" else getattr(pa, name)(unit)


def is_clock(spelling: str) -> bool:
    """Whether the times are those of a day, from 0 to 24 hours."""
    kind = spelling.split(": ", 1)[1]
    return kind.startswith(("time32", "time64", "%H"))


def calendar_of(values: np.ndarray, spelling: str) -> tuple[str, ...]:
    """The parts of the calendar that moments (n,), counts of the spelling's grain, go through at least once."""
    grain, kind = spelling.split(": ", 1)
    size = GRAINS[grain] / GRAINS["days"]
    if kind.startswith("duration"):
        return ()
    if is_clock(spelling):
        return ("hour",) if size < 1 else ()
    span = (values.max() - values.min()) * size
    return tuple(part for part, days in PERIODS.items() if span >= days and (size < 1 or part != "hour"))


def _ticks(cells: pa.ChunkedArray) -> tuple[np.ma.MaskedArray, str]:
    """In the type's own unit, since 1970, or midnight, or of a duration: int64 (N,), masked where missing; the unit."""
    name, unit, _ = ARROW.fullmatch(str(cells.type)).groups()
    ticks = cells.cast(pa.int32() if name in ("date32", "time32") else pa.int64()).cast(pa.int64())
    return np.ma.array(ticks.fill_null(0).to_numpy(), mask=pc.is_null(ticks).to_numpy()), unit


def _microseconds(cells: pa.ChunkedArray) -> np.ma.MaskedArray:
    """Likewise, in microseconds."""
    ticks, unit = _ticks(cells)
    if unit == "ns":
        return ticks // 1000
    most = LAST // UNITS[unit]
    return np.ma.array(ticks.data.clip(-most, most) * UNITS[unit], mask=ticks.mask)


def _finer(cells: pa.ChunkedArray) -> bool:
    """Whether cells have parts of a microsecond, whose count since 1970 float64 does not hold."""
    ticks, unit = _ticks(cells)
    return unit == "ns" and bool((ticks.compressed() % 1000).any())


def _grain(counts: np.ma.MaskedArray) -> str:
    present = counts.compressed()
    return next(grain for grain, size in GRAINS.items() if not (present % size).any())


def _parsed(texts: list[str], spelt: str) -> np.ma.MaskedArray:
    return np.ma.array([_read(text, spelt) for text in texts], dtype=np.int64)


def _read(text: str, spelt: str) -> int:
    """A text as microseconds, by a spelling or, where it has another, by that."""
    found = _moment(text, spelt) or _moment(text, text_format([text]) or ISO)
    if found is None:
        example = _spelt(EPOCH, spelt) if "%" in spelt else "2020-01-31"
        raise DataError(f"expected a time such as {example}, got {text!r}")
    return (found - EPOCH) // timedelta(microseconds=1)


def _moment(text: str, spelt: str) -> datetime | None:
    try:
        if spelt == ISO:
            found = datetime.fromisoformat(text)
            return found if found.tzinfo is None else (found - found.utcoffset()).replace(tzinfo=None)
        found = datetime.strptime(text, spelt.replace("%-", "%"))
    except ValueError:
        return None
    return found if "%Y" in spelt or "%y" in spelt else found.replace(year=1970, month=1, day=1)


def _same(text: str, spelt: str) -> bool:
    found = _moment(text, spelt)
    return found is not None and _spelt(found, spelt) == text


def _spelt(moment: datetime, spelt: str) -> str:
    """Like strftime, with %-d and %-m on every system, years of four digits, and fractions as they were."""
    text = (
        spelt.replace("%-d", str(moment.day))
        .replace("%-m", str(moment.month))
        .replace("%Y", f"{moment.year:04}")
    )
    return moment.strftime(text)

"""How a column of numbers is spelt in a file: currency, percent, thousands separators, decimals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

WRITTEN = b"written"  # where the metadata of a field has the spelling of its column
CURRENCIES = "$€£¥₹₩₽₺₪฿¢"
GROUPING = "., '\u00a0\u202f’"
SHAPE = re.compile(
    rf"(?P<prefix>[{CURRENCIES}]? ?)1(?P<thousands>[{GROUPING}]?)000(?:(?P<decimal>[.,])(?P<places>0+|#))?"
    rf"(?P<suffix> ?[%{CURRENCIES}]?)"
)


@dataclass(frozen=True)
class Spelling:
    """The marks around and inside the digits of a number.

    Its text is 1000 as it would be spelt, such as "$1,000.00", or "1000.#%" where the number of decimals varies.

    Attributes:
        prefix, suffix: what is before and after the digits, such as "$" and " %".
        thousands: what separates groups of three digits; "" for nothing.
        decimal: the decimal sign.
        places: number of decimals; None where it varies.

    Example:
        >>> Spelling.of("$1,000.00").write(-1234.5)
        '-$1,234.50'
    """

    prefix: str = ""
    suffix: str = ""
    thousands: str = ""
    decimal: str = "."
    places: int | None = None

    @classmethod
    def of(cls, text: str) -> Spelling | None:
        """The inverse of `str`; None for any other text."""
        found = SHAPE.fullmatch(text)
        if found is None:
            return None
        places = found["places"]
        return cls(
            found["prefix"],
            found["suffix"],
            found["thousands"],
            found["decimal"] or ".",
            None if places == "#" else len(places or ""),
        )

    def __str__(self) -> str:
        places = "#" if self.places is None else "0" * self.places
        return f"{self.prefix}1{self.thousands}000{self.decimal if places else ''}{places}{self.suffix}"

    @property
    def plain(self) -> bool:
        """Whether it is a number as Python spells it, but for its decimals."""
        return not (self.prefix or self.suffix or self.thousands)

    def write(self, value: float) -> str:
        """A number as text; a missing one (NaN) as none."""
        if math.isnan(value):
            return ""
        if self.places is None:
            digits = f"{Decimal(repr(float(abs(value)))):f}".removesuffix(".0")
        else:
            digits = f"{abs(value):.{self.places}f}"
        whole, point, rest = digits.partition(".")
        whole = f"{int(whole):,}".replace(",", self.thousands) if self.thousands else whole
        negative = value < 0 and digits.strip("0.") != ""
        return f"{'-' * negative}{self.prefix}{whole}{self.decimal if point else ''}{rest}{self.suffix}"


def respelt(text: str, values: list) -> list[str | None] | None:
    """Cells as a column's spelling has them, None where missing; None if the spelling is not one of ours."""
    gone = [value is None or value != value for value in values]
    if text in BOOLEANS:
        words = text.split("/")
        return [None if gap else words[not value] for gap, value in zip(gone, values, strict=True)]
    spelling = Spelling.of(text)
    if spelling is None:
        return None
    return [None if gap else spelling.write(float(value)) for gap, value in zip(gone, values, strict=True)]


BOOLEANS = ("True/False", "TRUE/FALSE", "true/false")

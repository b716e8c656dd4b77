"""How the values of a domain enter a net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from chainrule.domain import Domain
from chainrule.domain.column import CALENDAR
from chainrule.errors import ChainruleError
from chainrule.layers import Cells, Centred, Encoding, OneHot, Real, Scalar

EncodingName = Literal["number", "centred", "one-hot"]
ENCODINGS = get_args(EncodingName)


def encoder(domain: Domain, encoding: str | None) -> tuple[Encoding, int]:
    """The code of a site of one variable, the same at every site, and its channels.

    Args:
        domain: a discrete one.
        encoding: "number" (level / (levels - 1)), "centred" (the same on [-1, 1]) or "one-hot" (with the number
            beside it); None takes numbers for bits and for images, whose levels are shades, and one-hot otherwise.

    Raises:
        DomainError: if the domain is not discrete.
    """
    levels = domain.max_levels
    if encoding is None:
        encoding = "number" if domain.layout == "image" or levels == 2 else "one-hot"
    if encoding == "number":
        return Scalar(max(levels - 1, 1)), 1
    if encoding == "centred":
        return Centred(levels), 1
    if encoding == "one-hot":
        return OneHot(levels), levels + 1
    raise ChainruleError(f"encoding: expected one of {', '.join(ENCODINGS)}, got {encoding!r}")


def vector_encoder(
    domain: Domain, permutation: Sequence[int], encoding: str | None = None
) -> tuple[Encoding, int]:
    """The code of a variable of any domain, for nets whose weights belong to variables, and its channels.

    Args:
        domain: of any kind.
        permutation: its variables in generation order.
        encoding: as above, for discrete domains.
    """
    if domain.discrete:
        return encoder(domain, encoding)
    if encoding is not None:
        raise ChainruleError(f"encoding: expected none for {domain.layout}s with numbers, got {encoding!r}")
    if not domain.columns:
        return Real(), 1
    columns = [domain.columns[d] for d in permutation]
    levels = [c.levels + c.missing if c.levels else 0 for c in columns]
    gaps = [c.missing and not c.categories for c in columns]
    numbers = [column for column in columns if column.kind == "number"]
    places = [numbers.index(column) if column in numbers else -1 for column in columns]
    marks = [len(column.points) for column in numbers], [len(column.lattices) for column in numbers]
    calendar = {part: CALENDAR[part] for column in numbers for part in column.calendar}
    most = sum(max(part, default=0) for part in marks) + sum(calendar.values())
    cells = Cells(levels, gaps, places, most)
    return cells, cells.channels

"""Conditions as users write them: `age>=40`, `job in clerk,smith`, {"age": between(40, None)}."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from chainrule.data import encode
from chainrule.domain import Domain
from chainrule.domain.part import Part, between
from chainrule.errors import ChainruleError, nearest

OPERATOR = re.compile(r"\s*(>=|<=|==|=|>|<|in\s)\s*(.*)", re.DOTALL)


def parse_conditions(domain: Domain, texts: Sequence[str]) -> dict[str, Part]:
    """Conditions of text, by the names of columns; several of one column hold together.

    Args:
        domain: whose variables they are on. Other than columns they go by their numbers, from 0.
        texts: such as "sex=f", "age>=40", "job in clerk,smith".

    Raises:
        ChainruleError: on an unknown variable, a condition that is none, or two values of one variable.

    Example:
        >>> {name: str(part) for name, part in parse_conditions(Domain.vector(2), ["1>0", "1<=3"]).items()}
        {'1': '0 (excluded) … 3'}
    """
    found: dict[str, Part] = {}
    equal: dict[str, str] = {}
    for text in texts:
        name, sign, value = _split(domain, text)
        if sign in ("=", "=="):
            if name in equal:
                raise ChainruleError(
                    f"given: expected one value of {name!r}, got {equal[name]!r} and {value!r}; a set is "
                    f"written '{name} in {equal[name]},{value}'"
                )
            equal[name] = value
        part = _part(domain, _index(domain, name), sign, value)
        found[name] = found[name] & part if name in found else part
    return found


def parts_of(domain: Domain, given: Mapping[str, Any]) -> dict[int, Part]:
    """Variable → the values it may take: codes of categories, numbers.

    Args:
        domain: whose variables they are.
        given: by their names: a value, a set or list of values, or a range from `between`.

    Raises:
        ChainruleError: on an unknown variable, a value that is none of its own, a range of categories without an
            order, or a condition that no value meets.

    Example:
        >>> parts_of(Domain.binary(4), {"2": 1})
        {2: Part(values=(1,), lowest=-inf, highest=inf, above=False, below=False)}
    """
    parts = {}
    for name, condition in given.items():
        d = _index(domain, str(name))
        if isinstance(condition, set | frozenset | list | tuple):
            condition = _values(domain, d, list(condition))
        elif not isinstance(condition, Part):
            condition = _values(domain, d, [condition])
        parts[d] = _on_support(domain, d, condition)
        if parts[d].empty:
            raise ChainruleError(f"given: no value of {name!r} meets the condition {condition}")
    return parts


def _split(domain: Domain, text: str) -> tuple[str, str, str]:
    """Name, sign and value; a name may hold signs itself, so the longest one that fits is taken."""
    names = [column.name for column in domain.columns] or [str(d) for d in range(domain.size)]
    for name in sorted((name for name in names if text.strip().startswith(name)), key=len, reverse=True):
        if match := OPERATOR.fullmatch(text.strip()[len(name) :]):
            return name, match[1].strip(), match[2].strip()
    name = re.split(r">=|<=|=|>|<|\sin\s", text)[0].strip()
    if name in names or name == text.strip():
        raise ChainruleError(f"given: expected COLUMN=VALUE, COLUMN>=VALUE or 'COLUMN in A,B', got {text!r}")
    _index(domain, name)
    raise ChainruleError(f"given: expected COLUMN=VALUE, got {text!r}")


def _index(domain: Domain, name: str) -> int:
    if domain.columns:
        names = [column.name for column in domain.columns]
        if name not in names:
            raise ChainruleError(f"given: the model has no column {name!r}; {nearest(name, names)}")
        return names.index(name)
    if not name.isdecimal() or int(name) >= domain.size:
        raise ChainruleError(f"given: expected a variable in [0, {domain.size}), got {name!r}")
    return int(name)


def _part(domain: Domain, d: int, sign: str, text: str) -> Part:
    if sign in ("=", "=="):
        return _values(domain, d, [text])
    if sign == "in":
        return _values(domain, d, next(csv.reader([text], skipinitialspace=True), []))
    value = _number(domain, d, text)
    if sign.startswith(">"):
        return _on_support(domain, d, between(value, None, above=sign == ">"))
    return _on_support(domain, d, between(None, value, below=sign == "<"))


def _number(domain: Domain, d: int, text: str) -> float:
    """The end of a range: a number, or what the column's cells spell."""
    try:
        return float(text)
    except ValueError:
        if domain.columns and not domain.columns[d].categories:
            return float((_values(domain, d, [text]).values or ())[0])
        raise ChainruleError(f"given: {_named(domain, d)}: expected a number, got {text!r}") from None


def _values(domain: Domain, d: int, values: list[Any]) -> Part:
    """Values as the domain has them."""
    if not domain.columns:
        return Part(tuple(_level_of(domain, d, value) for value in values))
    column = domain.columns[d]
    if not values:
        return Part(())
    try:
        cells = pa.table({column.name: pa.array(values)})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise ChainruleError(
            f"given: {_named(domain, d)}: expected values of one kind, got {values}"
        ) from None
    x = encode(cells, [column], "given", strict=True, allow_missing=True)[:, 0]
    if missing := [value for value, cell in zip(values, x, strict=True) if math.isnan(cell)]:
        raise ChainruleError(f"given: {_named(domain, d)}: expected a value, got {missing[0]!r}")
    return Part(tuple(x.tolist()))


def _level_of(domain: Domain, d: int, value: Any) -> float:
    """A value of variable d as a number: a level, or a finite one of reals.

    Raises:
        ChainruleError: if it is none.
    """
    levels = domain.levels_per_variable[d] if domain.discrete else None
    try:
        number = float(value) if levels is None else int(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (levels is not None and not 0 <= number < levels):
        expected = "a finite number" if levels is None else f"an integer in [0, {levels})"
        raise ChainruleError(f"given: {_named(domain, d)}: expected {expected}, got {value!r}")
    return number


def _on_support(domain: Domain, d: int, part: Part) -> Part:
    """A range in terms of the values that there are: levels, categories that are numbers, whole numbers."""
    if part.values is not None:
        return part
    if domain.discrete:
        return Part(tuple(level for level in range(domain.levels_per_variable[d]) if part.holds(level)))
    if not domain.columns:
        return part
    column = domain.columns[d]
    if column.categories:
        if any(isinstance(category, str) for category in column.categories):
            raise ChainruleError(
                f"given: {_named(domain, d)}: expected = or in: its categories have no order"
            )
        return Part(tuple(float(k) for k, value in enumerate(column.categories) if part.holds(value)))
    step = 1.0 if column.kind == "integer" else column.step
    return part.on_grid(step) if step else part


def _named(domain: Domain, d: int) -> str:
    return f"column {domain.columns[d].name!r}" if domain.columns else f"variable {d}"

"""What is modelled: the shape of one item, the levels of its variables, and their layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from chainrule import late
from chainrule.devices import may_look
from chainrule.domain.column import Column
from chainrule.domain.lengths import LENGTHS, canonicalise, counted
from chainrule.errors import DomainError

LAYOUTS = ("vector", "sequence", "image", "table")
CHECKED = 1 << 18  # values that are checked at once
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)


@dataclass(frozen=True)
class Domain:
    """The set a model puts a distribution on.

    Attributes:
        event_shape: shape of one item: (D,), (T,) or (T, K) for steps of K variables, (C, H, W).
        levels: how many values a variable takes, 0 … levels-1: one int for all, a tuple with one
            int per variable, or None for reals. In a table, one per column, None for numbers.
        layout: "vector", "sequence", "image" or "table".
        columns: of a table, whose items are float64 (D,): codes of categories, numbers, and NaN where missing.
        lengths: of sequences. "fixed": T steps each. "ends": the last level is an end symbol, after which nothing
            but it can come; the probabilities of all strings shorter than T and of all starts of T symbols sum to 1.
            "given": of each item only the length is known beforehand; steps after it are -1, and belong to no
            likelihood.

    Example:
        >>> Domain.image(1, 8, 8, levels=17)
        Domain('image:1x8x8:17')
        >>> Domain.binary(784).size
        784
    """

    event_shape: tuple[int, ...]
    levels: int | tuple[int | None, ...] | None
    layout: str = "vector"
    columns: tuple[Column, ...] = ()
    lengths: str = "fixed"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise DomainError(f"layout: expected one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        shape = tuple(int(n) for n in self.event_shape)
        ranks = {"image": (3,), "sequence": (1, 2)}.get(self.layout, (1,))
        if len(shape) not in ranks or min(shape) < 1:
            raise DomainError(
                f"{self.layout} domain: expected {' or '.join(map(str, ranks))} positive sizes, "
                f"got {self.event_shape}"
            )
        object.__setattr__(self, "event_shape", shape)
        self._check_lengths()
        if (self.layout == "table") != bool(self.columns):
            raise DomainError(f"columns: expected them for a table and for no other, got {self.layout}")
        if self.columns:
            if len({column.name for column in self.columns}) < self.size:
                raise DomainError("columns: expected names that differ")
            return
        if isinstance(self.levels, tuple | list):
            levels = tuple(int(k) for k in self.levels if k is not None)
            if len(levels) != self.size:
                raise DomainError(f"levels: expected one per variable ({self.size}), got {len(levels)}")
            object.__setattr__(self, "levels", levels[0] if len(set(levels)) == 1 else levels)
        if self.discrete and min(self.levels_per_variable) < 1:
            raise DomainError(f"levels: expected at least 1, got {self.levels}")

    def _check_lengths(self) -> None:
        if self.lengths not in LENGTHS:
            raise DomainError(f"lengths: expected one of {', '.join(LENGTHS)}, got {self.lengths!r}")
        if self.lengths == "fixed":
            return
        if self.layout != "sequence" or not isinstance(self.levels, int):
            raise DomainError(f"lengths {self.lengths}: expected a sequence of one number of levels")
        if self.lengths == "ends" and (len(self.event_shape) > 1 or self.levels < 2):
            raise DomainError("lengths ends: expected one variable a step, of at least 2 levels")

    @classmethod
    def vector(cls, size: int) -> Domain:
        """`size` real numbers."""
        return cls((size,), None, "vector")

    @classmethod
    def binary(cls, size: int) -> Domain:
        """`size` bits."""
        return cls((size,), 2, "vector")

    @classmethod
    def categorical(cls, size: int, levels: int | tuple[int, ...]) -> Domain:
        """`size` categories, each one of `levels` (or of its own number of levels)."""
        return cls((size,), levels, "vector")

    @classmethod
    def image(cls, channels: int, height: int, width: int, levels: int | None = 256) -> Domain:
        """Images (C, H, W) of `levels` values a channel."""
        return cls((channels, height, width), levels, "image")

    @classmethod
    def sequence(
        cls, length: int, levels: int | None, *, width: int | None = None, lengths: str = "fixed"
    ) -> Domain:
        """Sequences of `length` symbols out of `levels`, or of reals (None).

        Args:
            length: steps, or the most of them.
            levels: of a symbol; with lengths "ends" the last is the end symbol.
            width: variables a step, such as 88 keys; None for items (T,) instead of (T, width).
            lengths: "fixed", "ends" or "given"; see the class.
        """
        return cls((length,) if width is None else (length, width), levels, "sequence", lengths=lengths)

    @classmethod
    def table(cls, source: Any, kinds: dict[str, str] | None = None) -> Domain:
        """The rows of a table, each column of its own kind.

        Args:
            source: the columns; or a .csv or .parquet file, or a pandas frame, from which they are inferred.
            kinds: column name → "categorical", "number", "integer", "real", "date" or "drop", over what is inferred.

        Example:
            >>> Domain.table([Column("age", "integer"), Column("sex", "categorical", ("f", "m"), missing=True)])
            Domain('table:age: integer, sex: categorical (2), may be missing')
        """
        if not (isinstance(source, Sequence) and all(isinstance(item, Column) for item in source)):
            source = late.infer_columns(source, kinds)
        columns = tuple(source)
        return cls((len(columns),), tuple(column.levels for column in columns), "table", columns)

    def without_gaps(self) -> Domain:
        """The same, with no cell missing."""
        columns = tuple(replace(column, missing=False) for column in self.columns)
        return replace(self, columns=columns)

    @classmethod
    def parse(cls, text: str) -> Domain:
        """The domain written as LAYOUT:SIZES:LEVELS, and LENGTHS if they are not fixed, as `str(domain)` gives it.

        Example:
            >>> Domain.parse("sequence:64:65")
            Domain('sequence:64:65')
            >>> Domain.parse("vector:6:real").levels is None
            True
        """
        try:
            layout, sizes, levels, *lengths = text.strip().split(":")
            (kind,) = lengths or ["fixed"]
            shape = tuple(int(n) for n in sizes.split("x"))
            counts = None if levels == "real" else tuple(int(k) for k in levels.split(","))
        except ValueError:
            raise DomainError(
                f"domain: expected LAYOUT:SIZES:LEVELS such as image:1x28x28:256, binary as vector:784:2 "
                f"or vector:6:real, got {text!r}"
            ) from None
        if counts is not None and len(counts) == 1:
            return cls(shape, counts[0], layout, lengths=kind)
        return cls(shape, counts, layout, lengths=kind)

    def __str__(self) -> str:
        if self.columns:
            return f"table:{', '.join(map(str, self.columns))}"
        levels = self.levels
        text = (
            "real"
            if levels is None
            else ",".join(map(str, levels if isinstance(levels, tuple) else [levels]))
        )
        parts = [self.layout, "x".join(map(str, self.event_shape)), text]
        return ":".join(parts if self.lengths == "fixed" else [*parts, self.lengths])

    def __repr__(self) -> str:
        return f"Domain({str(self)!r})"

    def to_json(self) -> dict:
        """A dictionary that `Domain(**…)` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict) -> Domain:
        """The inverse of `to_json`, after a trip through JSON."""
        levels = fields["levels"]
        return cls(
            tuple(fields["event_shape"]),
            tuple(levels) if isinstance(levels, list) else levels,
            fields["layout"],
            # Cards from before there were groups of categories have models without them.
            tuple(Column(**({"factored": False} | column)) for column in fields.get("columns", ())),
            fields.get("lengths", "fixed"),
        )

    @property
    def size(self) -> int:
        """Number of variables D."""
        return math.prod(self.event_shape)

    @property
    def discrete(self) -> bool:
        """Whether the variables take finitely many levels and enter as integers; not so in a table."""
        return self.levels is not None and not self.columns

    @property
    def levels_per_variable(self) -> tuple[int, ...]:
        """The levels of each variable, in the order of the flattened data; empty for reals and tables."""
        if not self.discrete:
            return ()
        levels: Any = self.levels if isinstance(self.levels, tuple) else (self.levels,) * self.size
        return levels

    @property
    def max_levels(self) -> int:
        """The most levels any variable takes.

        Raises:
            DomainError: if the variables are real, or columns of a table.
        """
        if not self.discrete:
            raise DomainError(f"expected a discrete domain, got {self}")
        return max(self.levels_per_variable)

    @property
    def steps(self) -> int:
        """T of sequences, else D: what has one length, with `width` variables each."""
        return self.event_shape[0] if self.layout == "sequence" else self.size

    @property
    def width(self) -> int:
        """Variables a step."""
        return self.size // self.steps

    def counted(self, x: Tensor) -> Tensor:
        """Which variables of x have a term in its likelihood: all, or those up to the end; booleans as x."""
        return counted(x, self.lengths, self.levels)

    def canonicalise(self, x: Tensor) -> Tensor:
        """x with end symbols, or -1, in all places after the end of an item."""
        return canonicalise(x, self.lengths, self.levels)

    def check(self, x: Tensor) -> Tensor:
        """Return x as this domain's tensor: int64 for levels, floating point for reals, float64 for tables.

        Args:
            x: (B, *event_shape); integers in [0, levels), or finite floats; in a table also NaN where missing.

        Raises:
            DomainError: on a wrong type, shape or value; the message names the first offender.
        """
        self.validate(x)
        if self.discrete:
            return x.long()
        return x.double() if self.columns else x

    def validate(self, x: Tensor) -> None:
        """Refuse what `check` refuses, in memory that does not grow with x.

        Args:
            x: (B, *event_shape), as for `check`.

        Raises:
            DomainError: as `check`.
        """
        if not isinstance(x, Tensor):
            raise DomainError(f"x: expected a torch.Tensor, got {type(x).__name__}")
        if x.ndim == 0 or tuple(x.shape[1:]) != self.event_shape:
            want = ", ".join(map(str, self.event_shape))
            raise DomainError(f"x: expected shape (B, {want}), got {tuple(x.shape)}")
        if self.discrete:
            if x.dtype not in INTEGERS:
                raise DomainError(f"x: expected integers in [0, {self.max_levels}), got {x.dtype}")
        elif not x.is_floating_point():
            raise DomainError(f"x: expected floats, got {x.dtype}")
        if not x.numel() or not may_look(x.device):
            return
        if self.columns:
            # Of many rows a column at a time lies apart in memory, which takes three times as long.
            cells = [values.double().contiguous() for values in x.unbind(1)]
            held = [column.holds(own).all() for column, own in zip(self.columns, cells, strict=True)]
            if not torch.stack(held).all():  # one look, at whatever device
                for column, own in zip(self.columns, cells, strict=True):
                    column.check(own)
            return
        rows = max(CHECKED // self.size, 1)
        for start in range(0, len(x), rows):
            self._check_values(x[start : start + rows], start)

    def _check_values(self, x: Tensor, start: int) -> None:
        """The values of some items, of which the first is item number `start`."""
        if not self.discrete:
            # A sum is finite only of finite numbers, and sooner there; that of large ones need not be.
            if not torch.isfinite(x.sum()) and not torch.isfinite(x).all():
                raise DomainError(f"x: expected finite values, got {_first(x, ~torch.isfinite(x), start)}")
            return
        x = x.long()
        limit: Tensor | int = self.levels if isinstance(self.levels, int) else self._limits(x.device)
        bad = (x < (-1 if self.lengths == "given" else 0)) | (x >= limit)
        if bad.any():
            levels = self.levels if isinstance(self.levels, int) else "its column's levels"
            raise DomainError(f"x: expected integers in [0, {levels}), got {_first(x, bad, start)}")
        if self.lengths != "fixed" and not torch.equal(self.canonicalise(x), x):
            only = "end symbols after the first one" if self.lengths == "ends" else "-1 after the first -1"
            raise DomainError(f"x: expected only {only}, got {_first(x, self.canonicalise(x) != x, start)}")

    def _limits(self, device: torch.device) -> Tensor:
        return torch.tensor(self.levels_per_variable, device=device).reshape(self.event_shape)


def _first(x: Tensor, bad: Tensor, start: int) -> str:
    row, *rest = bad.nonzero()[0].tolist()
    return f"{x[row, *rest].item()} at index {(start + row, *rest)}"

"""The configuration of a published model: what is not understood is refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chainrule.errors import ChainruleError

Value = TypeVar("Value")
MOST, MOST_BLOCKS = 2**31, 4096  # no net is so wide, or so deep
SHOWN = 80  # characters of a value that a message shows


@dataclass(frozen=True)
class Settings:
    """Values by key.

    Attributes:
        where: the file, for messages.
        values: as it has them.
    """

    where: str
    values: Mapping[str, Any]

    def refuse(self, key: str, expected: str) -> ChainruleError:
        """The error of a value: the file, the key, what was expected and what came."""
        came = repr(self.values.get(key))
        came = came if len(came) <= SHOWN else f"{came[:SHOWN]}…"
        return ChainruleError(f"{self.where}: {key}: expected {expected}, got {came}")

    def count(self, key: str, default: int | None = None, most: int = MOST) -> int:
        """A whole number from 1 to `most`; the default where the key is missing or null.

        Raises:
            ChainruleError: if it is none.
        """
        value = self._or(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise self.refuse(key, f"a whole number from 1 to {most}")
        return value

    def depth(self, key: str) -> int:
        """A number of blocks.

        Raises:
            ChainruleError: if it is none.
        """
        return self.count(key, most=MOST_BLOCKS)

    def number(self, key: str, default: float) -> float:
        """A positive number.

        Raises:
            ChainruleError: if it is none.
        """
        value = self._or(key, default)
        if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
            raise self.refuse(key, "a positive number")
        return float(value)

    def one_of(self, key: str, known: Mapping[Any, Value], default: Any) -> Value:
        """What a value stands for.

        Raises:
            ChainruleError: if it stands for nothing known.
        """
        value = self._or(key, default)
        found = [meaning for name, meaning in known.items() if type(name) is type(value) and name == value]
        if not found:
            raise self.refuse(key, " or ".join(repr(name) for name in known))
        return found[0]

    def only(self, **expected: Any) -> None:
        """Refuse options that change what is computed; a missing key has the value that is expected.

        Raises:
            ChainruleError: on the first that has another.
        """
        for key, value in expected.items():
            self.one_of(key, {value: value}, value)

    def symbol(self, key: str, levels: int, chosen: int | None) -> int:
        """The token that stands before the first one: the one chosen, or that of a key.

        Raises:
            ChainruleError: if it is no token.
        """
        value = self.values.get(key) if chosen is None else chosen
        if type(value) is not int or not 0 <= value < levels:
            came = "" if chosen is None else f" (start={chosen})"
            raise self.refuse(
                key, f"a token below {levels}, to stand before the first one; name one as start=…{came}"
            )
        return value

    def _or(self, key: str, default: Any) -> Any:
        value = self.values.get(key)
        return default if value is None else value

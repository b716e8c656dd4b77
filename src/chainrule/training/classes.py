"""The condition of items by the names of labels and classes, such as digit 7 and speaker theo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from chainrule.errors import ConditionError
from chainrule.layers import Condition


def label_names(condition: Condition, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of a model's labels, where the run has them; else their numbers."""
    count = len(condition.counts)
    return list(known) if len(known) == count else list(map(str, range(count)))


def class_codes(
    condition: Condition, known: Mapping[str, Sequence[str]], chosen: Mapping[str, str], where: str
) -> int | Tensor:
    """The classes that a model takes: of one label a number, of several a tensor (k,).

    Args:
        condition: the model's.
        known: name of each label → the names of its classes.
        chosen: name of each label → the name of a class, or its number.
        where: how messages begin.

    Raises:
        ConditionError: if the model takes no class, labels are missing or unknown, or a class is.
    """
    names = label_names(condition, known)
    if not names:
        raise ConditionError(f"{where}: expected none, the model is not conditioned on a class")
    if set(chosen) != set(names):
        got = " ".join(f"{name}={text}" for name, text in chosen.items()) or "none"
        raise ConditionError(f"{where}: expected {each(names)}, got {got}")
    codes = [
        _code(where, chosen[name], known.get(name, ()), count)
        for name, count in zip(names, condition.counts, strict=True)
    ]
    return codes[0] if len(codes) == 1 else torch.tensor(codes)


def each(names: Sequence[str]) -> str:
    """What is expected, in words."""
    return " and ".join(f"{name}=CLASS" for name in names)


def _code(where: str, text: str, names: Sequence[str], count: int) -> int:
    """The number of a class, by its name or as it stands."""
    if text in names:
        return list(names).index(text)
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < count:
        known = f" or one of {', '.join(names)}" if names else ""
        raise ConditionError(f"{where}: expected a class in [0, {count}){known}, got {text}")
    return number

"""Every error the library raises on bad input, a `ChainruleError`, which is a `ValueError`; and its warnings."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from numbers import Integral
from types import ModuleType
from typing import Any

from chainrule.synonyms import synonyms


class ChainruleError(ValueError):
    """Bad input: the message names the thing, what was expected and what came."""


class MissingVerbError(ChainruleError, AttributeError):
    """A verb that a model does not have: `hasattr` is false of it."""


class DomainError(ChainruleError):
    """Data that does not lie in the model's domain, or a domain the model cannot serve."""


class ConditionError(ChainruleError):
    """A condition that is missing, superfluous, or of the wrong shape, type or range."""


class DataError(ChainruleError):
    """A data set that is unknown, missing, empty, unreadable or corrupt."""


class RunError(ChainruleError):
    """A run folder that is missing, incomplete, or written by a newer version."""


class CodeError(ChainruleError):
    """A compressed file that is none, is damaged, or was coded by another model or with another arithmetic."""


class MissingExtraError(ChainruleError):
    """An optional package is needed that is not installed."""


class ApproximateCompletionWarning(UserWarning):
    """A completion is drawn without some of what is known, or follows its exact law only in a limit."""


def check_count(expected: str, value: Any, least: int) -> None:
    """Refuse what is no whole number, or too small a one.

    Raises:
        ChainruleError: beginning with `expected`.
    """
    if not isinstance(value, Integral) or value < least:
        raise ChainruleError(f"{expected} ≥ {least}, got {value!r}")


def nearest(name: str, known: Iterable[str]) -> str:
    """'did you mean …?' for a misspelt name or another word for the thing, or the list of what exists."""
    known = sorted(known)
    if meant := synonyms(name, known):
        return f"did you mean {' or '.join(map(repr, meant[:3]))}?"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def optional_import(module: str, extra: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Raises:
        MissingExtraError: if the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{module} is not installed; it comes with an extra: pip install 'chainrule[{extra}]'"
        ) from error

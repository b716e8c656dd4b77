"""The hyperparameters of a class of models, by the types that its `__init__` writes."""

from __future__ import annotations

import collections.abc
import inspect
import math
import re
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from chainrule.errors import ChainruleError

LISTS = (list, tuple, collections.abc.Sequence)
MAPPINGS = (dict, collections.abc.Mapping)
SUPPORTED = "int, float, bool, str, None, Literal, or lists, tuples, dictionaries and unions of these"


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """The hyperparameters of a class, each with its type resolved; and of the class it is made `of`, where it
    passes others on.

    Raises:
        ChainruleError: if a type cannot be resolved, or values of it cannot be kept in a file.
    """
    own = _parameters(cls)
    passed: dict[str, inspect.Parameter] = {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()) and hasattr(cls, "of"):
        passed = {
            name: p for name, p in _parameters(cls.of).items() if name != "ordering"
        }  # each has its own
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = {name: p for name, p in (own | passed).items() if p.kind in kinds}
    for name, parameter in found.items():
        if not _supported(parameter.annotation):
            raise ChainruleError(
                f"{cls.__name__}: {name}: expected a type of {SUPPORTED}, got {_in_words(parameter.annotation)}"
            )
    return found


def meanings(cls: Any) -> dict[str, str]:
    """What the docstring of a class, or of those it extends, says of each argument or attribute, on one line.

    Example:
        >>> from chainrule.models.maf import MAF
        >>> meanings(MAF)["hidden"]
        'widths of each MADE.'
    """
    found: dict[str, str] = {}
    for one in reversed(inspect.getmro(cls)) if isinstance(cls, type) else [cls]:
        text = inspect.cleandoc(one.__doc__ or "")
        section = re.search(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
        entries = re.findall(
            r"^    (\w[\w, ]*): ((?:.|\n {5,})*)", section[1] if section else "", re.MULTILINE
        )
        found |= {name: " ".join(said.split()) for names, said in entries for name in names.split(", ")}
    return found


def type_in_words(parameter: inspect.Parameter) -> str:
    """What values a hyperparameter takes, such as "int or None"."""
    return " or ".join(map(_in_words, _options(parameter.annotation)))


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    found = list(inspect.signature(cls.__init__).parameters.values())[2:]  # without self and the domain
    try:
        hints = get_type_hints(cls.__init__)
    except NameError as error:
        raise ChainruleError(
            f"{cls.__name__}: the types of its hyperparameters cannot be read ({error}); import what they name "
            "at the head of the file, not under TYPE_CHECKING"
        ) from error
    return {p.name: p.replace(annotation=hints.get(p.name, Any)) for p in found}


def check_value(parameter: inspect.Parameter, value: Any) -> None:
    """Refuse what the type does not allow, counts below 1 (or a lower default), and numbers that are not finite.

    Raises:
        ChainruleError: naming the hyperparameter, what was expected and what came.
    """
    key, hint = parameter.name, parameter.annotation
    if not _fits(value, hint):
        raise ChainruleError(f"{key}: expected {type_in_words(parameter)}, got {value!r}")
    least = min(1, parameter.default) if type(parameter.default) is int else 1
    counts = int in _options(hint) and float not in _options(hint)
    if type(value) is int and counts and value < least:
        raise ChainruleError(f"{key}: expected an integer ≥ {least}, got {value}")
    if type(value) is float and not math.isfinite(value):
        raise ChainruleError(f"{key}: expected a finite number, got {value}")


def _supported(hint: Any) -> bool:
    """Whether values of a type can be kept in a file."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType, *LISTS, *MAPPINGS):
        return all(_supported(part) for part in parts if part is not Ellipsis)
    return kind in (int, float, bool, str, NoneType, Literal, Any)


def _options(hint: Any) -> list[Any]:
    """The members of a union, and the choices of a Literal one by one."""
    if get_origin(hint) in (Union, UnionType):
        return [option for part in get_args(hint) for option in _options(part)]
    if get_origin(hint) is Literal:
        return [Literal[choice] for choice in get_args(hint)]
    return [hint]


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type. Lists and tuples are one: files know lists only."""
    return any(_fits_option(value, option) for option in _options(hint))


def _fits_option(value: Any, hint: Any) -> bool:
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if kind is Literal:
        return type(value) is type(parts[0]) and value == parts[0]
    if kind in LISTS:
        if not isinstance(value, list | tuple):
            return False
        if kind is tuple and parts and parts[-1] is not Ellipsis:
            return len(value) == len(parts) and all(map(_fits, value, parts))
        return not parts or all(_fits(member, parts[0]) for member in value)
    if kind in MAPPINGS:
        return type(value) is dict and (
            not parts or all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
        )
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _in_words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return repr(get_args(hint)[0])
    if hint is NoneType:
        return "None"
    return (
        hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).removeprefix("typing.")
    )

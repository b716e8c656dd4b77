"""Options that are declared once, as the fields of a dataclass, and taken by several commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Spread the groups of a command's parameters, so that Typer sees every field as a parameter of its own.

    Args:
        command: takes groups of options as parameters that are annotated with a dataclass, whose fields are annotated
            as Typer wants them.

    Returns:
        A function of single options that makes the groups and calls the command.
    """
    groups: dict[str, Any] = {}
    spread: list[Parameter] = []
    for parameter in signature(command, eval_str=True).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            spread += _parameters(parameter.annotation)
        else:
            spread.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def single(**values: Any) -> None:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **made)

    single.__signature__ = Signature(spread)  # type: ignore[attr-defined]
    single.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    return single


def _parameters(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]

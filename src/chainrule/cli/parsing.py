"""KEY=VALUE options as dictionaries, and where they belong."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import typer

from chainrule.errors import ChainruleError, nearest

if TYPE_CHECKING:
    from chainrule.training import Recipe


def parse_settings(settings: list[str]) -> dict:
    """['channels=32', 'dropout=0.1'] → a dictionary; values are read as YAML.

    Raises:
        typer.BadParameter: if one has no '='.
    """
    import yaml

    from chainrule.training.yaml_text import parse_yaml

    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"expected KEY=VALUE, got {setting!r}", param_hint="--set")
        try:
            parsed[key.strip().replace("-", "_")] = parse_yaml(value)
        except yaml.YAMLError:
            raise typer.BadParameter(f"cannot read the value of {setting!r}", param_hint="--set") from None
    return parsed


def parse_kinds(settings: list[str] | None) -> dict[str, str] | None:
    """['age=real'] → {'age': 'real'}; None if there are none. Names may hold '='.

    Raises:
        typer.BadParameter: if one has no '='.
    """
    parsed = {}
    for setting in settings or []:
        name, equals, kind = setting.rpartition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected NAME=KIND, got {setting!r}", param_hint="--column")
        parsed[name.strip()] = kind.strip()
    return parsed or None


def place(recipe: Recipe, key: str, value: object) -> None:
    """Into the model's hyperparameters or the training options, whichever has the name.

    Raises:
        ChainruleError: if none has.
    """
    from chainrule.models import hyperparameters_of
    from chainrule.training import TrainingConfig

    known, options = hyperparameters_of(recipe.model), [field.name for field in fields(TrainingConfig)]
    if key in known:
        recipe.hyperparameters[key] = value
    elif key in options:
        recipe.training[key] = value
    else:
        raise ChainruleError(
            f"--set {key}: neither a hyperparameter of {recipe.model} nor a training option; "
            f"{nearest(key, [*known, *options])}"
        )

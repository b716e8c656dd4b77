"""`chainrule models MODEL`: what --set takes when it is trained."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from chainrule.cli.output import print_json, print_table, tell


def describe_model(name: str, json: bool) -> None:
    """Print its hyperparameters and the training options: values, defaults of this model, meanings."""
    from chainrule.models.hyperparameters import meanings, parameters_of, type_in_words
    from chainrule.models.registry import hyperparameters_of, model_entry
    from chainrule.training.config import TrainingConfig

    entry = model_entry(name)
    cls: Any = entry.model
    said, known = meanings(cls) | meanings(getattr(cls, "of", cls)), parameters_of(cls)
    own = {
        key: {"value": type_in_words(known[key]), "default": default, "meaning": said.get(key, "")}
        for key, default in hyperparameters_of(name).items()
    }
    options, said = TrainingConfig.of(cls.training_defaults, {}), meanings(TrainingConfig)
    training = {
        field.name: {
            "value": type(field.default).__name__,
            "default": getattr(options, field.name),
            "meaning": said[field.name],
        }
        for field in fields(TrainingConfig)
    }
    summary = entry.summary or (cls.__doc__ or "").partition("\n")[0]
    if json:
        print_json({"name": name, "summary": summary, "hyperparameters": own, "training": training})
        return
    tell(f"{name}: {summary}")
    _print("Hyperparameters, --set NAME=VALUE", own)
    _print(f"Training options, --set NAME=VALUE, with the defaults of {name}", training)


def _print(title: str, rows: dict[str, dict[str, Any]]) -> None:
    shown = [[key, row["value"], _plain(row["default"]), row["meaning"]] for key, row in rows.items()]
    print_table(title, ["name", "value", "default", "meaning"], shown, words=True)


def _plain(default: Any) -> str:
    """A default as it is typed after --set."""
    if default is None:
        return "auto"
    return str(list(default) if isinstance(default, tuple) else default).replace(" ", "")

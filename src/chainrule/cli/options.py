"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
import yaml

from chainrule.data import Data, load_data
from chainrule.errors import ChainruleError, RunError
from chainrule.training import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as `chainrule train` writes it.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
Seed = Annotated[int, typer.Option(help="Of all randomness.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Where named sets lie; else $CHAINRULE_DATA, else ~/.cache/chainrule.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]


def open_run(folder: Path, device: str = "auto") -> Run:
    """A run with its model on the device."""
    run = Run.open(folder)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        run.model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ChainruleError(f"device {device!r}: {str(error).splitlines()[0]}") from error
    return run


def data_of(run: Run, source: str | None, data_dir: Path | None) -> Data:
    """The data a run was trained on, or another source read as the same domain."""
    if source is None:
        origin = run.config.get("data", {})
        if "source" not in origin:
            raise RunError(f"{run.folder}: its data set was made in Python; name one with --data")
        data = load_data(**origin, data_dir=data_dir)
    else:
        data = load_data(source, data_dir=data_dir, domain=run.model.domain)
    vocabulary = run.config.get("vocabulary")
    if vocabulary is not None and data.vocabulary is not None and "".join(data.vocabulary) != vocabulary:
        raise RunError(f"{data.name}: its characters are not those the run was trained on")
    return data


def parse_settings(settings: list[str]) -> dict:
    """['channels=32', 'dropout=0.1'] → a dictionary; values are read as YAML.

    Raises:
        typer.BadParameter: if one has no '='.
    """
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"expected KEY=VALUE, got {setting!r}", param_hint="--set")
        try:
            parsed[key.strip().replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise typer.BadParameter(f"cannot read the value of {setting!r}", param_hint="--set") from None
    return parsed


def read_label(run: Run, label: str | None) -> int | None:
    """A class label as the integer the model takes.

    Raises:
        ChainruleError: if it is no integer.
    """
    if label is None:
        return None
    if not label.lstrip("-").isdigit():
        raise ChainruleError(f"label: expected an integer, got {label!r}")
    return int(label)

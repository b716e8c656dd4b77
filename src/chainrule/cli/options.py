"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
import yaml

from chainrule.cli.output import say, say_notes
from chainrule.cli.verb import arrived
from chainrule.data import Data, Items, load_items
from chainrule.data.fingerprint import place_of
from chainrule.errors import ChainruleError, ConditionError, RunError
from chainrule.training import Recipe, Run
from chainrule.training.classes import class_codes, each, label_names
from chainrule.training.folder import CONFIG
from chainrule.training.unasked import check_unasked
from chainrule.training.yaml_text import parse_yaml

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, as `chainrule train` writes it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of all randomness.")]
Label = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASS",
        help="The class, for a conditional model: its number or name; of several labels LABEL=CLASS, repeatable.",
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(min=1, help="Of recordings: Hz to resample them to, instead of their own."),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of texts that are not UTF-8 and have no mark: their encoding, such as cp1252."
    ),
]
Resolution = Annotated[
    int | None, typer.Option(min=1, help="Of MIDI files: steps a quarter note; 4 by default.")
]
Tracks = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRACK",
        help="Of MIDI files: read this track only, by its name or its number, from 0; repeatable. All but drums by "
        "default.",
    ),
]
DomainText = Annotated[
    str | None,
    typer.Option("--domain", help="What the items are, where the guess is wrong, such as image:1x28x28:2."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(help="A label to keep, where items have several, such as digit and speaker; repeatable."),
]
Features = Annotated[
    tuple[int, int] | None,
    typer.Option(
        metavar="BANDS HOP",
        help="Of recordings: tell the model the log-mel frames of each, so many bands for every HOP samples.",
    ),
]
DataDir = Annotated[
    Path | None, typer.Option(help="Where named sets lie; else $CHAINRULE_DATA, else ~/.cache/chainrule.")
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Part of INPUT: train, valid or test, its own or as cut for training; all of it by default."
    ),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        help="Part of INPUT: train, valid or test, its own or as cut for training; test by default where INPUT has "
        "splits of its own, else all of it."
    ),
]
Unknown = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Read characters that the run does not know as this one, instead of refusing them.",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=KIND",
        help="What a column of a table is, where the guess is wrong: categorical, integer or real; repeatable.",
    ),
]
Particles = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Candidates for each draw, of which the known values behind it choose; 64 for tables, 16 for models with "
        "latent variables, else 1.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]


def open_run(folder: Path, device: str = "auto") -> Run:
    """A run with its model on the device."""
    chosen = read_device(device)
    run = Run.open(folder)
    run.model.to(chosen)
    return run


def read_device(name: str) -> torch.device:
    """The device of a name, once it has been seen to work; "auto" is the GPU if there is one.

    Raises:
        ChainruleError: if torch has no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # also fails on meta, which holds no numbers
    except (RuntimeError, AssertionError) as error:
        reason = textwrap.shorten(str(error), 80, placeholder=" …")
        raise ChainruleError(
            f"device {name!r}: expected auto, cpu, cuda or another that works here ({reason})"
        ) from error
    return device


def data_of(run: Run, data_dir: Path | None) -> Data:
    """The data a run was trained on.

    Raises:
        RunError: if it was made in Python, or is not what it was.
    """
    assert run.folder is not None
    recipe = Recipe.read(run.folder / CONFIG)
    if "source" not in recipe.data:
        raise RunError(f"{run.folder}: its data set was made in Python; name one with --data")
    check_unasked(run.folder, recipe.data)
    if run.model.domain.columns:
        # The file may have grown since: the codes of its categories are the run's.
        recipe.data = {k: v for k, v in recipe.data.items() if k != "columns"}
        recipe.data["domain"] = run.model.domain
    data = recipe.load_data(data_dir)
    if run.vocabulary is not None and "".join(data.vocabulary or ()) != run.vocabulary:
        raise RunError(
            f"{data.name}: its characters are not those the run was trained on; name data with --data"
        )
    for name, classes in run.labels.items() if run.model.condition.counts else ():
        if data.classes.get(name) != tuple(classes):
            raise RunError(
                f"{data.name}: its classes of {name} are not those the run was trained on; name data with --data"
            )
    return data


def items_of(
    run: Run,
    source: str,
    split: str | None = None,
    data_dir: Path | None = None,
    unknown: str | None = None,
    labels: bool | None = True,
    held_out: bool = False,
    cut: bool = True,
) -> Items:
    """The items of a source by the run's codes, all of them unless a split is asked for; what was found is said.

    Args:
        run, source, split, data_dir, unknown: as the options.
        held_out: whether a source with splits of its own is asked for its test split, where none is named: for what is
            looked at, or compared with published figures.
        cut: whether to cut a source without splits of its own, or else to refuse.
        labels: whether a model of classes needs those of the items; None where they are welcome, False if not read.

    Raises:
        ChainruleError: if it cannot be read, or the model needs labels or frames that it has not.
    """
    trained_on = run.config.get("data") or {}
    if split is None and not held_out and place_of(source) == trained_on.get("source"):
        say(f"note: {run.folder} was trained on part of {source}; --split test takes what was put aside")
    source, how = arrived(source, run), replace(run.reading, unknown=unknown)
    prefer = "test" if held_out else None
    items = load_items(source, how, split=split, prefer=prefer, cut=cut, labels=labels, data_dir=data_dir)
    say_notes(items.notes)
    if labels and run.model.conditional and items.cond is None:
        what = "frames" if run.model.condition.maps else "labels"
        raise ConditionError(
            f"{source}: the model is given {run.model.condition.expected} with each item; expected {what}, found none"
        )
    return items


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
            parsed[key.strip().replace("-", "_")] = parse_yaml(value)
        except yaml.YAMLError:
            raise typer.BadParameter(f"cannot read the value of {setting!r}", param_hint="--set") from None
    return parsed


def given_options(**options: Any) -> dict[str, Any]:
    """Those that are given."""
    return {name: value for name, value in options.items() if value is not None}


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


def parse_given(settings: list[str]) -> dict[str, str]:
    """['sex=f', 'age=40'] → {'sex': 'f', 'age': '40'}.

    Raises:
        typer.BadParameter: if one has no '='.
    """
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected COLUMN=VALUE, got {setting!r}", param_hint="--given")
        parsed[name.strip()] = value.strip()
    return parsed


def candidates(run: Run, particles: int | None) -> int:
    """The particles asked for, or what suits: in tables any cell may be known, in other items mostly the first.

    What is latent needs many anyway.
    """
    return particles or (64 if run.model.domain.columns else 1 if run.model.exact else 16)


def check_label(run: Run, given: list[str] | None, option: str = "--label") -> int | torch.Tensor | None:
    """The classes that the run's model takes: of one label a number, of several a tensor (k,); or none.

    Args:
        run: of a model.
        given: "7" or "theo"; "speaker=theo", where labels have names. A class goes by its name or its number.
        option: by which it was.

    Raises:
        ConditionError: if they are not what the model takes.
    """
    condition, known = run.model.condition, run.labels
    if not condition.counts:
        if given:
            raise ConditionError(
                f"{option}: expected none, {run.folder} is not conditioned on a class; got {' '.join(given)}"
            )
        return None
    names = label_names(condition, known)
    if len(names) == 1 and len(given or []) != 1:
        raise ConditionError(
            f"{option}: expected a class in {condition.ranges}, got {' '.join(given or []) or 'none'}"
        )
    chosen: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.rpartition("=")
        if not equals and len(names) == 1:
            name = names[0]
        if name not in names or name in chosen:
            raise ConditionError(f"{option}: expected {each(names)}, got {' '.join(given or [])}")
        chosen[name] = value
    return class_codes(condition, known, chosen, option)

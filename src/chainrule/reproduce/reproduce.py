"""Train the recipes of a table again, and record what comes out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from chainrule.data import Data
from chainrule.errors import ChainruleError, nearest
from chainrule.models import Model
from chainrule.models.base.capabilities import Bounded
from chainrule.records import circumstances, peak_memory
from chainrule.reproduce.folds import folds, mean_of_folds
from chainrule.tasks.density_floor import nats_by_floor
from chainrule.tasks.ensemble import together
from chainrule.tasks.evaluate import class_accuracy, steps_of
from chainrule.tasks.likelihood import Likelihood, likelihood
from chainrule.training import Recipe, Run, TrainingConfig, fit
from chainrule.training.session import CHECKPOINT_MINUTES


def list_tables() -> list[str]:
    """The tables there are recipes for."""
    root = Path(str(resources.files("chainrule.reproduce.recipes")))
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and any(folder.glob("*.yaml")))


def recipes_of(table: str, only: str | Sequence[str] | None = None) -> dict[str, Path]:
    """The recipes of a table: name → file.

    Args:
        table: a folder of recipes.
        only: names of recipes, data sets or models. Several of one kind widen the choice, of different kinds
            narrow it: ["nltcs", "made", "nade"] are two models on one data set.

    Raises:
        ChainruleError: on an unknown table or choice, with the nearest one.
    """
    if table not in list_tables():
        raise ChainruleError(f"unknown table {table!r}; {nearest(table, list_tables())}")
    root = Path(str(resources.files("chainrule.reproduce.recipes"))) / table
    found = {file.stem: file for file in sorted(root.glob("*.yaml"))}
    words = [only] if isinstance(only, str) else list(only or ())
    if all(word in found for word in words):
        return {name: file for name, file in found.items() if name in words} if words else found
    return _choose(table, found, words)


def _choose(table: str, found: dict[str, Path], words: list[str]) -> dict[str, Path]:
    recipes = {name: Recipe.read(file) for name, file in found.items()}
    kinds = {
        "name": {name: name for name in recipes},
        "data": {name: str(recipe.data.get("source")) for name, recipe in recipes.items()},
        "model": {name: recipe.model for name, recipe in recipes.items()},
    }
    wanted: dict[str, set[str]] = {}
    for word in words:
        kind = next((kind for kind, values in kinds.items() if word in values.values()), None)
        if kind is None:
            known = {value for values in kinds.values() for value in values.values()}
            raise ChainruleError(f"table {table}: unknown recipe {word!r}; {nearest(word, known)}")
        wanted.setdefault(kind, set()).add(word)
    chosen = {
        name: file
        for name, file in found.items()
        if all(kinds[kind][name] in values for kind, values in wanted.items())
    }
    if not chosen:
        raise ChainruleError(f"table {table}: no recipe is all of {', '.join(words)}")
    return chosen


def read_record(folder: Path, table: str, name: str) -> dict | None:
    """The record of a recipe in a folder of records, if there is one and the recipe has not changed."""
    path = folder / table / f"{name}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    recipe = Recipe.read(recipes_of(table, name)[name])
    same = record.get("model") == recipe.model and all(
        _is_within(said, record.get(part, {}))
        for part, said in (("hyperparameters", recipe.hyperparameters), ("training", recipe.training))
    )
    return record if same else None


def _is_within(said: dict, recorded: dict) -> bool:
    """Whether all that a recipe says is what was recorded, compared as JSON: it has no tuples."""
    return all(key in recorded and recorded[key] == json.loads(json.dumps(v)) for key, v in said.items())


def reproduce(
    table: str,
    *,
    only: str | Sequence[str] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    progress: bool = True,
    runs: Path | None = None,
    items: int | None = None,
    epochs: int | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
) -> Iterator[dict]:
    """Train each recipe of a table and evaluate it: validation picks the weights, test is then read once.

    Args:
        table: a folder of recipes, such as "digits".
        only: names of recipes, data sets or models; see `recipes_of`.
        data_dir: where named sets lie.
        device: see `fit`.
        progress: whether to show progress bars.
        runs: a folder for the runs, TABLE/RECIPE each (of folds, TABLE/RECIPE/FOLD). A run that is there already is
            gone on with, so that short stretches of time add up. By default runs are not kept.
        items, epochs: train and evaluate on the first items of each split only, for these epochs: to see that a
            recipe runs from end to end. The record then says that nothing was reproduced.
        checkpoint_minutes: see `fit`.

    Yields:
        A record for `results/` after each recipe.

    Raises:
        ChainruleError: on an unknown table or recipe, or missing data.
    """
    for name, file in recipes_of(table, only).items():
        recipe = Recipe.read(file)
        data = recipe.load_data(data_dir)
        if items is not None:
            data = data.first(items)
        if epochs is not None:
            recipe.training["epochs"] = epochs
        start = time.perf_counter()
        options: dict[str, Any] = {
            "device": device,
            "progress": progress,
            "checkpoint_minutes": checkpoint_minutes,
        }
        folder = None if runs is None else runs / table / name
        if recipe.of:
            run = _together(table, recipe, data, runs, options)
            scores = _both(run.model, data, recipe)
        elif recipe.folds:
            run, scores = _over_folds(recipe, data, folder, options)
        else:
            run = _train(recipe, data, folder, options)
            scores = _both(run.model, data, recipe)
        yield {
            "table": table,
            "name": name,
            "model": recipe.model,
            "parameters": sum(p.numel() for p in run.model.parameters()),
            "hyperparameters": run.model.hyperparameters,
            "data": data.name,
            "split_sizes": {split: len(data.split(split)[0]) for split in ("train", "valid", "test")},
            "metric": "nats per item, negative log-likelihood",
            **scores,
            "published": recipe.published or None,
            **({} if items is None and epochs is None else {"reproduced": False}),
            "training": run.config["training"],
            "best_epoch": None if recipe.of or run.best is None else int(run.best["epoch"]) + 1,
            "training_seconds": round(run.metrics[-1]["seconds"] if run.metrics else 0.0, 1),
            "wall_seconds": round(time.perf_counter() - start, 1),
            **_effort(run, len(data.train)),
            "seed": run.config["training"]["seed"],
            "command": f"chainrule reproduce {table} --only {name}"
            + "".join(f" --{k} {v}" for k, v in (("items", items), ("epochs", epochs)) if v is not None),
            **circumstances(),
        }


def _train(recipe: Recipe, data: Data, folder: Path | None, options: dict) -> Run:
    model = recipe.build(data)
    return fit(model, data, out=folder, resume=folder is not None, **options, **recipe.training)


def _together(table: str, recipe: Recipe, data: Data, runs: Path | None, options: dict) -> Run:
    """The members' runs as one; each is trained, or taken as it is where it has been trained in `runs`."""
    files = recipes_of(table, recipe.of)
    members = [
        _train(Recipe.read(files[name]), data, None if runs is None else runs / table / name, options)
        for name in recipe.of
    ]
    config = {**members[0].config, "training": {"seed": 0, "of": recipe.of}}
    seconds = sum(run.metrics[-1]["seconds"] for run in members if run.metrics)
    last = [{**members[0].metrics[-1], "seconds": seconds}] if seconds else []
    return Run(None, together([run.model for run in members]), config, last)


def _effort(run: Run, items: int) -> dict:
    """Items trained on per second, validation included, and the most memory that the process or its GPU has held."""
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_memory()
    effort: dict[str, Any] = {"peak_memory_bytes": peak}
    if "of" not in run.config["training"] and run.metrics and run.metrics[-1]["seconds"]:
        last, config = run.metrics[-1], TrainingConfig(**run.config["training"])
        effort["items_per_second"] = round(last["step"] * config.batch_of(items) / last["seconds"], 1)
    return effort


def _score(model: Model, data: Data, split: str, samples: int = 1) -> Likelihood:
    cond = data.cond(split) if model.conditional else None
    return likelihood(model, data.split(split)[0], cond, samples=samples)


def _both(model: Model, data: Data, recipe: Recipe) -> dict:
    return {split: _scores(model, data, split, recipe.samples) for split in ("valid", "test")}


def _scores(model: Model, data: Data, split: str, samples: int) -> dict:
    """The scores of a split: what `Likelihood` holds, and the accuracy of a model of classes."""
    right = class_accuracy(model, *data.split(split))
    steps = steps_of(model, data.items(split), samples=samples)
    return {
        **vars(_score(model, data, split, samples)),
        **({"samples": samples} if isinstance(model, Bounded) else {}),
        **({} if steps is None else {"per_step": vars(steps)}),
        **({} if right is None else {"accuracy": right}),
    }


def _over_folds(recipe: Recipe, data: Data, folder: Path | None, options: dict) -> tuple[Run, dict]:
    """The last fold's run, and the means over folds: in training standard deviations, in the data's own units, and
    under higher floors of the scales; nats."""
    valid, test, own, floors = [], [], [], []
    for i, (fold, log_scale) in enumerate(folds(data)):
        run = _train(recipe, fold, None if folder is None else folder / str(i), options)
        valid.append(_score(run.model, fold, "valid").nats)
        test.append(_score(run.model, fold, "test").nats)
        own.append(test[-1] + log_scale)
        floors.append(nats_by_floor(run.model, fold.test))
    rows = len(data.train) + len(data.valid) + len(data.test)
    return run, {
        "valid": {"n": len(valid), **mean_of_folds(valid)},
        "test": {"n": rows, **mean_of_folds(test)},
        "test_in_own_units": mean_of_folds(own),
        "test_of_folds": test,
        "test_by_floor": {key: mean_of_folds([floor[key] for floor in floors]) for key in floors[0]},
    }

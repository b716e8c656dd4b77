"""Train the recipes of a table again, and record what comes out."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from chainrule.errors import ChainruleError, nearest
from chainrule.results import circumstances
from chainrule.tasks.evaluate import likelihood
from chainrule.training import Recipe, fit


def list_tables() -> list[str]:
    """The tables there are recipes for."""
    root = Path(str(resources.files("chainrule.recipes")))
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
    root = Path(str(resources.files("chainrule.recipes"))) / table
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
    """The record of a recipe in a folder of records, if there is one and the recipe still says what it says."""
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
) -> Iterator[dict]:
    """Train each recipe of a table and evaluate it: validation picks the weights, test is then read once.

    Args:
        table: a folder of recipes, such as "digits".
        only: names of recipes, data sets or models; see `recipes_of`.
        data_dir: where named sets lie.
        device: see `fit`.
        progress: whether to show progress bars.

    Yields:
        A record for `results/` after each recipe.

    Raises:
        ChainruleError: on an unknown table or recipe, or missing data.
    """
    for name, file in recipes_of(table, only).items():
        recipe = Recipe.read(file)
        data = recipe.load_data(data_dir)
        model = recipe.build(data)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
            run = fit(model, data, out=folder, device=device, progress=progress, **recipe.training)
        seconds = time.perf_counter() - start
        scores = {}
        for split in ("valid", "test"):
            x, labels = data.split(split)
            scores[split] = vars(likelihood(model, x, labels if model.conditional else None))
        yield {
            "table": table,
            "name": name,
            "model": recipe.model,
            "parameters": sum(p.numel() for p in model.parameters()),
            "hyperparameters": model.hyperparameters,
            "data": data.name,
            "split_sizes": {split: len(data.split(split)[0]) for split in ("train", "valid", "test")},
            "metric": "nats per item, negative log-likelihood",
            **scores,
            "published": recipe.published or None,
            "training": run.config["training"],
            "best_epoch": None if run.best is None else int(run.best["epoch"]) + 1,
            "training_seconds": round(run.metrics[-1]["seconds"] if run.metrics else 0.0, 1),
            "wall_seconds": round(seconds, 1),
            "seed": run.config["training"]["seed"],
            "command": f"chainrule reproduce {table} --only {name}",
            **circumstances(),
        }

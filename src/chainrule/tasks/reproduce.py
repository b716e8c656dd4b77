"""Train the recipes of a table again, and record what comes out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
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


def recipes_of(table: str, only: str | None = None) -> dict[str, Path]:
    """The recipes of a table, or one of them: name → file.

    Raises:
        ChainruleError: on an unknown table or recipe, with the nearest one.
    """
    if table not in list_tables():
        raise ChainruleError(f"unknown table {table!r}; {nearest(table, list_tables())}")
    root = Path(str(resources.files("chainrule.recipes"))) / table
    found = {file.stem: file for file in sorted(root.glob("*.yaml"))}
    if only is not None and only not in found:
        raise ChainruleError(f"table {table}: unknown recipe {only!r}; {nearest(only, found)}")
    return found if only is None else {only: found[only]}


def reproduce(
    table: str,
    *,
    only: str | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Iterator[dict]:
    """Train each recipe of a table and evaluate it: validation picks the weights, test is then read once.

    Args:
        table: a folder of recipes, such as "digits".
        only: the name of one recipe.
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

"""`chainrule train`: fit a model and write its run folder."""

from __future__ import annotations

import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import torch
import typer
import yaml

from chainrule.cli.options import DataDir, Device, Json, parse_settings
from chainrule.cli.output import print_json, print_table, say
from chainrule.data import load_data
from chainrule.errors import ChainruleError, RunError, nearest
from chainrule.models import create_model, hyperparameters_of
from chainrule.training import TrainingConfig, fit

RECIPE_KEYS = ("model", "hyperparameters", "data", "training")


def train(
    model: Annotated[str, typer.Argument(metavar="MODEL|RECIPE.yaml", help="A name of `chainrule models`, or a recipe.")],
    data: Annotated[str | None, typer.Option(help="A named set, your own file or folder, or hf:NAME.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/DATA-MODEL by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter or training option; repeatable."),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="What the items are, where the guess is wrong, such as image:1x28x28:2.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.")] = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train a model on a data set; write weights, curve and a report into a run folder.

    Examples:

    `chainrule train causal-conv1d --data digits`

    `chainrule train lstm --data names.txt --epochs 20 --set width=256 --out runs/names`

    `chainrule train recipes/digits-post.yaml`
    """
    recipe = _read_recipe(Path(model)) if model.endswith((".yaml", ".yml")) else {"model": model}
    name = recipe["model"]
    hyperparameters, options = recipe.get("hyperparameters", {}), recipe.get("training", {})
    for key, value in parse_settings(set_ or []).items():
        _place(name, key, value, hyperparameters, options)
    options |= {k: v for k, v in (("epochs", epochs), ("seed", seed)) if v is not None}
    source = {**recipe.get("data", {}), **({"source": data} if data else {}), **({"domain": domain} if domain else {})}
    if "source" not in source:
        raise typer.BadParameter("expected a data set", param_hint="--data")
    hyperparameters_of(name)  # an unknown model is told before any data is read

    loaded = load_data(**source, data_dir=data_dir)
    say(loaded.describe())
    out = out or Path("runs") / f"{loaded.name}-{name}"
    if overwrite:
        _remove(out)
    config = TrainingConfig.of({}, {k: v for k, v in options.items() if k == "seed"})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        built = create_model(name, loaded.domain, **hyperparameters)
    try:
        run = fit(built, loaded, out=out, resume=resume, device=device, **options)
    except KeyboardInterrupt:
        say(f"stopped; the run in {out} can be used as it is, or resumed with --resume")
        raise

    from chainrule.report import write_report
    from chainrule.tasks import evaluate

    report = write_report(run, loaded, command="chainrule " + " ".join(sys.argv[1:]))
    result = evaluate(run.model, loaded, "valid")
    if json:
        print_json({"run": str(out), "report": str(report), "best": run.best, **result.to_dict()})
        return
    rows = [[n, f"{v.nats:.2f}", f"{v.bits_per_dim:.3f}"] for n, v in [*result.baselines.items(), (name, result.model)]]
    print_table("Validation", ["", "nats", "bits/dim"], rows, last_bold=True)
    say(f"run: {out}\nreport: {report}")


def _read_recipe(path: Path) -> dict:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChainruleError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ChainruleError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(recipe, dict) or not isinstance(recipe.get("model"), str):
        raise ChainruleError(f"{path}: expected a mapping with {', '.join(RECIPE_KEYS)}; `model` is missing")
    return recipe


def _place(model: str, key: str, value: object, hyperparameters: dict, options: dict) -> None:
    """Into the model's hyperparameters or the training options, whichever has the name."""
    training = [field.name for field in fields(TrainingConfig)]
    known = hyperparameters_of(model)
    if key in known:
        hyperparameters[key] = value
    elif key in training:
        options[key] = value
    else:
        raise ChainruleError(f"--set {key}: neither a hyperparameter of {model} nor a training option; "
                             f"{nearest(key, [*known, *training])}")  # fmt: skip


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    if not (folder / "config.yaml").is_file():
        raise RunError(f"{folder}: is no run folder, it is not overwritten")
    shutil.rmtree(folder)

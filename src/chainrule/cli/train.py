"""`chainrule train`: fit a model and write its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chainrule.cli.columns import say_data
from chainrule.cli.evaluate import print_cost
from chainrule.cli.opening import read_device
from chainrule.cli.options.common import DataDir, Device, Json
from chainrule.cli.options.reading import ReadingOptions
from chainrule.cli.options.training import (
    Epochs,
    Minutes,
    ModelName,
    Out,
    Overwrite,
    Resume,
    Set,
    Source,
    TrainSeed,
)
from chainrule.cli.output import print_json, print_table, say
from chainrule.cli.own_code import model_name
from chainrule.cli.parsing import parse_settings, place

if TYPE_CHECKING:
    from chainrule.data import Data
    from chainrule.training import Recipe, Run


def train(
    context: typer.Context,
    model: ModelName,
    data: Source = None,
    out: Out = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    seed: TrainSeed = None,
    set_: Set = None,
    *,
    reading: ReadingOptions,
    resume: Resume = False,
    overwrite: Overwrite = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train a model on a data set; write weights, curve and a report into a run folder.

    Examples:

    `chainrule train causal-conv1d --data digits`

    `chainrule train lstm --data names.txt --epochs 20 --set width=256 --out runs/names`

    `chainrule train made --data people.csv --column age=real --minutes 5`

    `chainrule train gated-pixelcnn --data photos --size 32 --fit crop --mode L`

    `chainrule train wavenet --data fsdd --labels speaker --set classes=6`

    `chainrule train wavenet --data fsdd --domain sequence:4096:256:given --features 40 128`

    `chainrule train my_models:Bigram --data names.txt`

    `chainrule train runs/names/config.yaml --out runs/names-again`
    """
    from chainrule.training import Recipe, TrainingConfig, fit

    recipe = Recipe.read(model) if model.endswith((".yaml", ".yml")) else Recipe(model_name(model))
    for key, value in parse_settings(set_ or []).items():
        place(recipe, key, value)
    own = {"epochs": epochs, "minutes": minutes, "seed": seed}
    recipe.training |= {name: value for name, value in own.items() if value is not None}
    _read_by(recipe, data, reading.given())
    # What can be seen to be wrong is refused before any data is read.
    TrainingConfig.of({}, recipe.training)
    read_device(device)
    loaded = recipe.load_data(data_dir)
    say_data(loaded)
    out = out or Path("runs") / f"{loaded.name}-{recipe.model.rpartition(':')[2]}"
    built = recipe.build(loaded)
    options = {"resume": resume, "overwrite": overwrite, "device": device, **recipe.training}
    try:
        run = fit(built, loaded, out=out, **options)
    except KeyboardInterrupt:
        _say_stopped(out, overwrite)
        raise
    _report(run, loaded, recipe.model, command=context.obj, json=json)


def _say_stopped(out: Path, overwrite: bool) -> None:
    from chainrule.training.replacement import replacing

    if overwrite and replacing(out):
        say(f"stopped; the run in {out} is the old one, --overwrite --resume continues the new one")
    else:
        say(f"stopped; the run in {out} can be used as it is, or resumed with --resume")


def _read_by(recipe: Recipe, source: str | None, how: dict) -> None:
    """Take the source and the options of reading into the recipe."""
    if source is not None:
        recipe.data = {key: value for key, value in recipe.data.items() if key != "checksum"}
        recipe.data["source"] = source
    recipe.data |= how
    if "features" in how:
        recipe.hyperparameters.setdefault("features", how["features"])
    if "source" not in recipe.data:
        raise typer.BadParameter("expected a data set", param_hint="--data")


def _report(run: Run, data: Data, name: str, *, command: str, json: bool) -> None:
    """Evaluate on the validation split, write the report, print both."""
    from chainrule.models.base.capabilities import Bounded, Exact
    from chainrule.report import write_report
    from chainrule.tasks import Evaluation, ReconstructionCost, evaluate, reconstruction_cost

    result: Evaluation | ReconstructionCost
    if not isinstance(run.model, Exact | Bounded):
        result = reconstruction_cost(run.model, data, "valid")
    else:
        result = evaluate(run.model, data, "valid")
    report = write_report(run, data, command=command, evaluation=result)
    if json:
        about = {"run": str(run.folder), "report": str(report), "best": run.best}
        print_json({**about, **result.to_dict()})
        return
    if isinstance(result, ReconstructionCost):
        print_cost(name, result)
    else:
        likelihoods = [*result.baselines.items(), (name, result.model)]
        rows = [[name, *likelihood.numbers(errors=False)] for name, likelihood in likelihoods]
        print_table("Validation", ["", *result.model.units], rows, last_bold=True)
        if result.measure:
            say(result.measure)
    say(f"run: {run.folder}\nreport: {report}")

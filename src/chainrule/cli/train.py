"""`chainrule train`: fit a model and write its run folder."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.columns import print_columns
from chainrule.cli.evaluate import print_cost
from chainrule.cli.options import (
    DataDir,
    Device,
    DomainText,
    Encoding,
    Features,
    Json,
    Kinds,
    Labels,
    Rate,
    Resolution,
    Tracks,
    given_options,
    parse_kinds,
    parse_settings,
    read_device,
)
from chainrule.cli.output import print_json, print_table, say, say_notes
from chainrule.cli.pictures import Axes, Background, Fit, Frames, Mode, Size
from chainrule.errors import ChainruleError, nearest
from chainrule.models import Autoencoder, hyperparameters_of
from chainrule.training import Recipe, TrainingConfig
from chainrule.training import fit as fit_model
from chainrule.training.replacement import replacing


def train(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL|RECIPE.yaml", help="A name of `chainrule models`, or a recipe.")
    ],
    data: Annotated[
        str | None, typer.Option(help="A named set, your own file or folder, or hf:NAME.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/DATA-MODEL by default.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training data, at most.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Of weights, order and dropout.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter or training option; repeatable."),
    ] = None,
    domain: DomainText = None,
    column: Kinds = None,
    rate: Rate = None,
    labels: Labels = None,
    features: Features = None,
    encoding: Encoding = None,
    resolution: Resolution = None,
    tracks: Tracks = None,
    size: Size = None,
    fit: Fit = None,
    mode: Mode = None,
    background: Background = None,
    frames: Frames = None,
    axes: Axes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace the run in --out once the new one is trained; your own files there stay. With --resume, go "
            "on with a replacement that was stopped.",
        ),
    ] = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train a model on a data set; write weights, curve and a report into a run folder.

    Examples:

    `chainrule train causal-conv1d --data digits`

    `chainrule train lstm --data names.txt --epochs 20 --set width=256 --out runs/names`

    `chainrule train made --data people.csv --column age=real`

    `chainrule train gated-pixelcnn --data photos --size 32 --fit crop --mode L`

    `chainrule train wavenet --data fsdd --labels speaker --set classes=6`

    `chainrule train wavenet --data fsdd --domain sequence:4096:256:given --features 40 128`

    `chainrule train runs/names/config.yaml --out runs/names-again`
    """
    recipe = Recipe.read(model) if model.endswith((".yaml", ".yml")) else Recipe(model)
    for key, value in parse_settings(set_ or []).items():
        _place(recipe, key, value)
    recipe.training |= {k: v for k, v in (("epochs", epochs), ("seed", seed)) if v is not None}
    about = {"encoding": encoding, "resolution": resolution, "tracks": tracks}
    about |= {
        "size": size,
        "fit": fit,
        "mode": mode,
        "background": background,
        "frames": frames,
        "axes": axes,
    }
    if data is not None:
        recipe.data.pop("checksum", None)
    recipe.data |= given_options(source=data, domain=domain, rate=rate, labels=labels, **about)
    if features is not None:
        recipe.data["features"] = list(features)
        recipe.hyperparameters.setdefault("features", list(features))
    if (kinds := parse_kinds(column)) is not None:
        recipe.data["columns"] = kinds
    if "source" not in recipe.data:
        raise typer.BadParameter("expected a data set", param_hint="--data")
    # What can be told to be wrong is told before any data is read.
    TrainingConfig.of({}, recipe.training)
    read_device(device)
    loaded = recipe.load_data(data_dir)
    say(loaded.describe())
    say_notes(loaded.notes)
    print_columns(loaded, remark=True)
    built = recipe.build(loaded)
    out = out or Path("runs") / f"{loaded.name}-{recipe.model}"
    try:
        run = fit_model(
            built, loaded, out=out, resume=resume, overwrite=overwrite, device=device, **recipe.training
        )
    except KeyboardInterrupt:
        if overwrite and replacing(out):
            say(f"stopped; the run in {out} is the old one, --overwrite --resume goes on with the new one")
        else:
            say(f"stopped; the run in {out} can be used as it is, or resumed with --resume")
        raise

    from chainrule.report import write_report
    from chainrule.tasks import Evaluation, ReconstructionCost, evaluate, reconstruction_cost

    result: Evaluation | ReconstructionCost
    if isinstance(run.model, Autoencoder):
        result = reconstruction_cost(run.model, loaded, "valid")
    else:
        result = evaluate(run.model, loaded, "valid")
    report = write_report(run, loaded, command=context.obj, evaluation=result)
    if json:
        print_json({"run": str(out), "report": str(report), "best": run.best, **result.to_dict()})
        return
    if isinstance(result, ReconstructionCost):
        print_cost(recipe.model, result)
    else:
        likelihoods = [*result.baselines.items(), (recipe.model, result.model)]
        rows = [[name, *likelihood.numbers(errors=False)] for name, likelihood in likelihoods]
        print_table("Validation", ["", *result.model.units], rows, last_bold=True)
    say(f"run: {out}\nreport: {report}")


def _place(recipe: Recipe, key: str, value: object) -> None:
    """Into the model's hyperparameters or the training options, whichever has the name."""
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

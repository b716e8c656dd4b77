"""`chainrule train`: fit a model and write its run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainrule.cli.columns import say_data
from chainrule.cli.evaluate import print_cost
from chainrule.cli.opening import read_device
from chainrule.cli.options.common import DataDir, Device, Json
from chainrule.cli.options.reading import ReadingOptions
from chainrule.cli.options.training import (
    Accumulate,
    CheckpointMinutes,
    Devices,
    Epochs,
    Extend,
    From,
    Logger,
    Minutes,
    ModelName,
    Nodes,
    Out,
    Overwrite,
    Resume,
    Seeds,
    Set,
    Source,
    Strategy,
    TrainSeed,
)
from chainrule.cli.output import print_json, print_table, say
from chainrule.cli.own_code import model_name
from chainrule.cli.parsing import parse_settings, place
from chainrule.errors import ChainruleError

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
    seeds: Seeds = None,
    start: From = None,
    resume: Resume = False,
    extend: Extend = False,
    overwrite: Overwrite = False,
    checkpoint_minutes: CheckpointMinutes = 10.0,
    logger: Logger = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
    strategy: Strategy = "auto",
    accumulate: Accumulate = 1,
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

    `chainrule train auto --data people.csv`

    `chainrule train made --data digits --seeds 5`

    `chainrule train lstm --data new-names.txt --from runs/names`

    `chainrule train lstm --data names.txt --out runs/names --resume --extend --epochs 200`

    `chainrule train transformer --data book.txt --devices 2`

    `torchrun --nnodes 2 --nproc-per-node 4 -m chainrule train transformer --data book.txt`

    `chainrule train my_models:Bigram --data names.txt`

    `chainrule train runs/names/config.yaml --out runs/names-again`
    """
    from chainrule.models.choose import choose_models
    from chainrule.training import Recipe, TrainingConfig
    from chainrule.training.loggers import check_loggers
    from chainrule.training.ranks import Ranks
    from chainrule.training.recipe import AUTO

    recipe = (
        Recipe.read(model)
        if model.endswith((".yaml", ".yml"))
        else Recipe(model if model == AUTO else model_name(model))
    )
    settings = parse_settings(set_ or [])
    if recipe.model != AUTO:
        _place(recipe, settings)
    own = {"epochs": epochs, "minutes": minutes, "seed": seed}
    recipe.training |= {name: value for name, value in own.items() if value is not None}
    _read_by(recipe, data, reading.given())
    # What can be seen to be wrong is refused before any data is read.
    TrainingConfig.of({}, recipe.training)
    read_device(device)
    check_loggers(logger)
    first = Ranks.of(devices, nodes, strategy, accumulate).first
    loaded = recipe.load_data(data_dir)
    if first:
        say_data(loaded)
    if recipe.model == AUTO:
        choice = choose_models(loaded.domain, len(loaded.train))[0]
        recipe.model = choice.name
        _place(recipe, settings)
        say(f"{AUTO}: {choice.name} ({choice.why})")
    out = out or Path("runs") / f"{loaded.name}-{recipe.model.rpartition(':')[2]}"
    options: dict[str, Any] = {"resume": resume, "extend": extend, "overwrite": overwrite, "start": start}
    options |= {"device": device, "devices": devices, "nodes": nodes, "strategy": strategy}
    options |= {"accumulate": accumulate, "logger": logger, "checkpoint_minutes": checkpoint_minutes}
    if seeds is None:
        run = _fit(recipe, loaded, out, options)
        if first:  # of several processes it says it for all
            _report(run, loaded, recipe.model, command=context.obj, json=json)
        return
    runs = [_fit(own, loaded, out / str(k), options) for k, own in enumerate(_seeded(recipe, seeds))]
    if first:
        _report_seeds(runs, loaded, recipe.model, command=context.obj, json=json)


def _place(recipe: Recipe, settings: dict[str, Any]) -> None:
    """Put each setting where it belongs, as the model's hyperparameters say."""
    for key, value in settings.items():
        place(recipe, key, value)


def _fit(recipe: Recipe, data: Data, out: Path, options: dict[str, Any]) -> Run:
    from chainrule.data.limits import shown
    from chainrule.training import fit
    from chainrule.training.needs import BYTES, parameters_of

    built = recipe.build(data)
    parameters = parameters_of(built)
    if parameters:
        kept = shown(BYTES * parameters)
        say(f"{recipe.model}: {parameters:,} parameters, {kept} with what training keeps of them")
    try:
        return fit(built, data, out=out, **options, **recipe.training)
    except KeyboardInterrupt:
        _say_stopped(out, options["overwrite"])
        raise


def _seeded(recipe: Recipe, seeds: int) -> list[Recipe]:
    """The recipe with several seeds."""
    first = recipe.training.get("seed", 0)
    return [replace(recipe, training={**recipe.training, "seed": first + k}) for k in range(seeds)]


def _say_stopped(out: Path, overwrite: bool) -> None:
    from chainrule.training.replacement import replacing

    if overwrite and replacing(out):
        say(f"stopped; the run in {out} is the old one, --overwrite --resume continues the new one")
    else:
        say(f"stopped; the run in {out} can be used as it is, or resumed with --resume")


def _report_seeds(runs: list[Run], data: Data, name: str, *, command: str, json: bool) -> None:
    """Evaluate each run on the validation split, and print their mean with its standard error over seeds."""
    from statistics import mean, stdev

    from chainrule.models.base.capabilities import Bounded, Exact
    from chainrule.report import write_report
    from chainrule.tasks import evaluate

    if not isinstance(runs[0].model, Exact | Bounded):
        raise ChainruleError(f"--seeds: expected a model with a likelihood, got {name}")
    found = [evaluate(run.model, data, "valid") for run in runs]
    for run, one in zip(runs, found, strict=True):
        write_report(run, data, command=command, evaluation=one)
    nats = [one.model.nats for one in found]
    over = {"nats": mean(nats), "nats_se_over_seeds": stdev(nats) / len(nats) ** 0.5}
    if json:
        each = [{"run": str(run.folder), **one.to_dict()} for run, one in zip(runs, found, strict=True)]
        print_json({**over, "runs": each})
        return
    rows = [[str(run.folder), *one.model.numbers()] for run, one in zip(runs, found, strict=True)]
    mean_row = [
        f"mean ± error over {len(runs)} seeds",
        f"{over['nats']:.2f} ± {over['nats_se_over_seeds']:.2f}",
    ]
    bits = [one.model.bits_per_dim for one in found if one.model.bits_per_dim is not None]
    if bits:
        mean_row.append(f"{mean(bits):.3f} ± {stdev(bits) / len(bits) ** 0.5:.3f}")
    print_table("Validation", ["", *found[0].model.units], [*rows, mean_row], last_bold=True)


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

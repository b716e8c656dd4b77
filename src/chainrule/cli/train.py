"""`chainrule train`: fit a model and write its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainrule.cli.columns import say_data
from chainrule.cli.fitting import fit_all
from chainrule.cli.options.common import DataDir, Json
from chainrule.cli.options.reading import ReadingOptions
from chainrule.cli.options.training import (
    CourseOptions,
    Epochs,
    Minutes,
    ModelName,
    Out,
    RanksOptions,
    Set,
    Source,
    TrainSeed,
)
from chainrule.cli.output import say
from chainrule.cli.own_code import model_name
from chainrule.cli.parsing import parse_settings, place
from chainrule.cli.trained import report, report_seeds

if TYPE_CHECKING:
    from chainrule.data import Data
    from chainrule.training import Recipe


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
    course: CourseOptions,
    ranks: RanksOptions,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Train a model on a data set; write weights, curve and a report into a run folder.

    `train MODEL --help` lists the hyperparameters and training options of that model too.

    Examples:

    `chainrule train causal-conv1d --data digits`

    `chainrule train made --data people.csv --column age=real --minutes 5`

    `chainrule train gated-pixelcnn --data photos --size 32 --fit crop --mode L`

    `chainrule train wavenet --data fsdd --labels speaker --set classes=6`

    `chainrule train auto --data people.csv --seeds 5`

    `chainrule train lstm --data names.txt --out runs/names --resume --extend --epochs 200`

    `chainrule train transformer --data book.txt --devices 2`

    `chainrule train my_models:Bigram --data names.txt`

    `chainrule train runs/names/config.yaml --out runs/names-again`
    """
    recipe, settings = _recipe(model), parse_settings(set_ or [])
    _place(recipe, settings)
    own = {"epochs": epochs, "minutes": minutes, "seed": seed}
    recipe.training |= {name: value for name, value in own.items() if value is not None}
    _read_by(recipe, data, reading.given())
    first = _checked(recipe, course, ranks)
    loaded = recipe.load_data(data_dir)
    if first:
        say_data(loaded)
    _choose(recipe, loaded, settings, first)
    out = out or Path("runs") / f"{loaded.name}-{recipe.model.rpartition(':')[2]}"
    runs = fit_all(recipe, loaded, out, course, ranks, first)
    if first:  # of several processes it reports for all
        about: Any = {"command": context.obj, "json": json}
        (report if course.seeds is None else report_seeds)(runs, loaded, recipe.model, **about)


def _recipe(model: str) -> Recipe:
    """The recipe in a file, or a new one of a model's name."""
    from chainrule.training import Recipe
    from chainrule.training.recipe import AUTO

    if model.endswith((".yaml", ".yml")):
        return Recipe.read(model)
    return Recipe(model if model == AUTO else model_name(model))


def _place(recipe: Recipe, settings: dict[str, Any]) -> None:
    """Put each setting where it belongs, as the model's hyperparameters say, once the model is known."""
    from chainrule.training.recipe import AUTO

    for key, value in settings.items() if recipe.model != AUTO else ():
        place(recipe, key, value)


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


def _checked(recipe: Recipe, course: CourseOptions, ranks: RanksOptions) -> bool:
    """Refuse what can be seen to be wrong before any data is read; whether this process is the first of all."""
    from chainrule.training import TrainingConfig, find_device
    from chainrule.training.loggers import check_loggers
    from chainrule.training.ranks import Ranks

    TrainingConfig.of({}, recipe.training)
    find_device(ranks.device)
    check_loggers(course.logger)
    return Ranks.of(ranks.devices, ranks.nodes, ranks.strategy, ranks.accumulate).first


def _choose(recipe: Recipe, data: Data, settings: dict[str, Any], first: bool) -> None:
    """A model by kind and size of the data, where none is named."""
    from chainrule.models.choose import choose_models
    from chainrule.training.recipe import AUTO

    if recipe.model != AUTO:
        return
    choice = choose_models(data.domain, len(data.train))[0]
    recipe.model = choice.name
    _place(recipe, settings)
    if first:
        say(f"{AUTO}: {choice.name} ({choice.why})")

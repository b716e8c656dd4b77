"""`chainrule tune`: hyperparameters by trial."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule.cli.columns import say_data
from chainrule.cli.options.common import DataDir, Device, Json
from chainrule.cli.options.reading import ReadingOptions
from chainrule.cli.options.training import ModelName, Set, Source
from chainrule.cli.output import print_json, print_table, say
from chainrule.cli.own_code import model_name
from chainrule.cli.parsing import parse_settings, place
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    import optuna

UNITS = {"s": 1, "m": 60, "h": 3600}
SHOWN = 10  # trials of the table

Budget = Annotated[str, typer.Option(metavar="TIME", help="Time for all trials: 90s, 30m or 2h.")]
Trials = Annotated[int | None, typer.Option(min=1, help="Maximum number of trials of each process.")]
Processes = Annotated[int, typer.Option(min=1, help="Processes that share the study.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Folder of the study; one that is there is continued. Default: tuned/DATA-MODEL."
    ),
]


def tune(
    model: ModelName,
    data: Source = None,
    budget: Budget = "30m",
    trials: Trials = None,
    processes: Processes = 1,
    out: Out = None,
    set_: Set = None,
    *,
    reading: ReadingOptions,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Try hyperparameters of a model; the lowest validation wins, and its run can be used at once.

    The learning rate, batch size, weight decay, dropout and sizes are tried, unless --set fixes them. Poor trials are
    pruned. The study is kept in --out, and goes on when the command is given again.

    Examples:

    `chainrule tune made --data people.csv --budget 30m`

    `chainrule tune lstm --data names.txt --budget 2h --processes 2 --set width=128`
    """
    from chainrule.training import Recipe
    from chainrule.training.tune import best_run
    from chainrule.training.tune import tune as search

    seconds = _seconds(budget)
    written = model.endswith((".yaml", ".yml"))
    recipe = Recipe.read(model) if written else Recipe(model_name(model))
    for key, value in parse_settings(set_ or []).items():
        place(recipe, key, value)
    if data is not None:
        recipe.data = {"source": data}
    recipe.data |= reading.given()
    if "source" not in recipe.data:
        raise typer.BadParameter("expected a data set", param_hint="--data")
    loaded = recipe.load_data(data_dir)
    say_data(loaded)
    out = out or Path("tuned") / f"{loaded.name}-{recipe.model.rpartition(':')[2]}"
    others = [_another(out) for _ in range(processes - 1)]
    try:
        study = search(recipe, loaded, out, seconds=seconds, trials=trials, device=device, say=say)
    finally:
        for other in others:
            other.wait()
    best = best_run(study, out)
    table = _table(study)
    if json:
        about = {"value": study.best_value, "settings": study.best_params, "trials": len(study.trials)}
        print_json({"run": str(best.folder), **about, "best": best.best})
        return
    print_table(
        f"{len(study.trials)} trials, the best first", ["trial", "valid, nats", "settings"], table, words=True
    )
    say(f"run: {best.folder}\nrecipe: {best.folder}/config.yaml")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None:
        raise ChainruleError(f"--budget: expected a time such as 90s, 30m or 2h, got {text!r}")
    return float(found[1]) * UNITS[found[2]]


def _another(out: Path) -> subprocess.Popen:
    """This command in a process of its own, in the same study."""
    given = [argument for argument in sys.argv[1:] if argument != "--json"]
    where = [i for i, argument in enumerate(given) if argument.startswith("--processes")]
    for i in reversed(where):
        del given[i : i + 1 + (given[i] == "--processes")]
    command = [sys.executable, "-m", "chainrule", *given, "--processes", "1", "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _table(study: optuna.Study) -> list[list[str]]:
    done: list[Any] = sorted(
        (trial for trial in study.trials if trial.value is not None), key=lambda t: t.value
    )
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    rows = [
        [
            str(t.number),
            f"{t.value:.2f}",
            ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in t.params.items())
            or "defaults",
        ]
        for t in done
        if t.state.name == "COMPLETE"
    ][:SHOWN]
    return [*rows, ["", "", f"{pruned} pruned"]] if pruned else rows

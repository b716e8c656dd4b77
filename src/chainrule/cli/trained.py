"""What `chainrule train` reports of its runs: validation of one, or the mean over seeds with its error."""

from __future__ import annotations

from statistics import mean, stdev
from typing import TYPE_CHECKING

from chainrule.cli.evaluate import print_cost
from chainrule.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from chainrule.data import Data
    from chainrule.tasks import Evaluation, ReconstructionCost
    from chainrule.training import Run


def report(runs: list[Run], data: Data, name: str, *, command: str, json: bool) -> None:
    """Evaluate the one run on the validation split, write the report, print both."""
    from chainrule.models.base.capabilities import Bounded, Exact
    from chainrule.report import write_report
    from chainrule.tasks import ReconstructionCost, evaluate, reconstruction_cost

    [run] = runs
    result: Evaluation | ReconstructionCost
    if not isinstance(run.model, Exact | Bounded):
        result = reconstruction_cost(run.model, data, "valid")
    else:
        result = evaluate(run.model, data, "valid")
    page = write_report(run, data, command=command, evaluation=result)
    if json:
        about = {"run": str(run.folder), "report": str(page), "best": run.best}
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
    say(f"run: {run.folder}\nreport: {page}")


def report_seeds(runs: list[Run], data: Data, name: str, *, command: str, json: bool) -> None:
    """Evaluate each run on the validation split, and print their mean with its standard error over seeds."""
    from chainrule.report import write_report
    from chainrule.tasks import evaluate

    found = [evaluate(run.model, data, "valid") for run in runs]
    for run, one in zip(runs, found, strict=True):
        write_report(run, data, command=command, evaluation=one)
    over, error = _mean([one.model.nats for one in found])
    if json:
        each = [{"run": str(run.folder), **one.to_dict()} for run, one in zip(runs, found, strict=True)]
        print_json({"nats": over, "nats_se_over_seeds": error, "runs": each})
        return
    rows = [[str(run.folder), *one.model.numbers()] for run, one in zip(runs, found, strict=True)]
    last = [f"{name}: mean ± error over {len(runs)} seeds", f"{over:.2f} ± {error:.2f}"]
    bits = [one.model.bits_per_dim for one in found if one.model.bits_per_dim is not None]
    if bits:
        last.append("{:.3f} ± {:.3f}".format(*_mean(bits)))
    print_table("Validation", ["", *found[0].model.units], [*rows, last], last_bold=True)


def _mean(values: list[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    return mean(values), stdev(values) / len(values) ** 0.5

"""`chainrule evaluate`: the likelihood of a split, beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunName, Unknown
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, print_table, say
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from torch import Tensor

    from chainrule.data import Items
    from chainrule.tasks import Evaluation, ReconstructionCost
    from chainrule.tasks.likelihood import StepLikelihood
    from chainrule.training import Run

Other = Annotated[
    str | None,
    typer.Option(
        "--data",
        callback=source_there,
        help="Other data, encoded as the run's. Default: the data the run was trained on.",
    ),
]
OwnSplit = Annotated[
    str | None,
    typer.Option(
        "--split", help="Split: train, valid or test. Default: test; all of other data without splits."
    ),
]
Context = Annotated[
    int | None,
    typer.Option(min=0, help="Context of long sequences: steps before those scored. Default: half a window."),
]
Samples = Annotated[
    int,
    typer.Option(min=1, help="Latent samples per item, for a bound; more samples tighten it."),
]
Baselines = Annotated[bool, typer.Option(help="Estimate the baselines too.")]


def evaluate(
    run: RunName,
    data: Other = None,
    split: OwnSplit = None,
    unknown: Unknown = None,
    context: Context = None,
    samples: Samples = 1,
    baselines: Baselines = True,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Evaluate the mean negative log-likelihood in nats and bits/dim, ± its standard error.

    bits/dim: total nats over ln 2 and over the number of variables, for items of different lengths too. Real values
    have densities, which are no code: nats only.

    Classifiers also get an accuracy: the share of items whose label is the most probable class.

    Latent-variable models, and flows on levels, get a bound: the likelihood is no worse (≤).
    Autoencoders have no likelihood; they get the reconstruction cost.

    Example: `chainrule evaluate runs/digits-causal-conv1d --split test`
    """
    from chainrule.models.base.capabilities import Bounded, Exact
    from chainrule.tasks import evaluate as task
    from chainrule.tasks import reconstruction_cost

    opened = open_run(run, device)
    chosen, train = _items(opened, data, split, data_dir, unknown, baselines)
    if not isinstance(opened.model, Exact | Bounded):
        cost = reconstruction_cost(opened.model, chosen)
        print_json(cost.to_dict()) if json else print_cost(opened.model.name or "model", cost)
        return
    result = task(opened.model, chosen, train=train, context=context, samples=samples, writing=opened.writing)
    if json:
        print_json(result.to_dict())
        return
    _print(result, opened.model.name or "model")


def _print(result: Evaluation, name: str) -> None:
    likelihoods = [*result.baselines.items(), (name, result.model)]
    rows = [[name, *likelihood.numbers()] for name, likelihood in likelihoods]
    columns = ["", *result.model.units]
    if result.accuracy is not None:
        columns.append("accuracy")
        rows[-1].append(f"{result.accuracy:.1%}")
    print_table(f"{result.split}, {result.model.n} items", columns, rows, last_bold=True)
    if result.measure:
        say(result.measure)
    if result.per_step is not None:
        _say_per_step(result.per_step, result.model.units[0])
    if result.floors:
        nats = ", ".join(f"{nats:.2f} at {smallest}" for smallest, nats in result.floors.items())
        say(f"nats by the smallest scale of a density, in units of its column's: {nats}")


def _say_per_step(steps: StepLikelihood, unit: str) -> None:
    given = (
        "each window alone"
        if steps.bound
        else f"given at least {steps.context} steps of context, where there are"
    )
    bits = "" if steps.bits is None else f", {steps.sign}{steps.bits:.4f} ± {steps.bits_se:.4f} bits"
    bits += "" if steps.bits_per_byte is None else f"; {steps.bits_per_byte:.4f} bits a byte of text"
    nats = f"{steps.sign}{steps.nats:.4f} ± {steps.nats_se:.4f} {unit}"
    say(f"per step, {steps.steps} steps, {given}: {nats}{bits}")
    if steps.nats_after_first is not None:
        after = f"{steps.nats_after_first:.4f} ± {steps.nats_after_first_se:.4f} nats"
        if not after.startswith(f"{steps.nats:.4f}"):  # the same for few, long sequences
            say(f"without the first step of each sequence: {after}")


def _items(
    run: Run,
    source: str | None,
    split: str | None,
    data_dir: Path | None,
    unknown: str | None,
    baselines: bool,
) -> tuple[Items, Tensor | None]:
    """What is evaluated, and the training items that baselines are estimated from, where they can be had."""
    if source is None:
        data = run.load_data(data_dir)
        return data.items(split or "test"), data.train if baselines else None
    items = items_of(run, source, split, data_dir, unknown, held_out=True)
    try:
        return items, run.load_data(data_dir).train if baselines else None
    except ChainruleError as error:
        say(f"no baselines: {error}")
        return items, None


def print_cost(name: str, cost: ReconstructionCost) -> None:
    """The result of an autoencoder."""
    rows = [[name, f"{cost.mean:.2f} ± {cost.se:.2f}"]]
    print_table(f"{cost.split}, {cost.n} items", ["", "reconstruction cost, nats"], rows, last_bold=True)
    say(
        f"no likelihood: each item is reconstructed from a code of {cost.numbers} numbers, which are not counted"
    )

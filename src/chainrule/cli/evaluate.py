"""`chainrule evaluate`: the likelihood of a split, beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from chainrule.cli.opening import data_of, items_of, open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunFolder, Unknown
from chainrule.cli.output import print_json, print_table, say
from chainrule.data import Items
from chainrule.errors import ChainruleError
from chainrule.models import Autoencoder
from chainrule.tasks import ReconstructionCost
from chainrule.training import Run


def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(help="Other data, read by the codes of the run, instead of those it was trained on."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, valid or test; test by default. Other data without splits of their own are all taken."
        ),
    ] = None,
    unknown: Unknown = None,
    context: Annotated[
        int | None,
        typer.Option(min=0, help="Of long sequences: steps told before those scored; default half a window."),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=1, help="Of a bound: draws of what is latent in each item; more make it tighter."),
    ] = 1,
    baselines: Annotated[bool, typer.Option(help="Also estimate the baselines.")] = True,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Mean negative log-likelihood in nats and bits/dim, ± its standard error.

    bits/dim are all nats over ln 2 and over all variables that are counted, of items of different lengths too. Reals
    have densities, which are no code: nats alone.

    Of a model of classes also the accuracy: how many items have their label as the most probable class.

    Of a model with latent variables, or a flow on levels, a bound: the likelihood is no worse (≤).

    Of an autoencoder, which has no likelihood, the reconstruction cost.

    Example: `chainrule evaluate runs/digits-causal-conv1d --split test`
    """
    from chainrule.tasks import evaluate as task
    from chainrule.tasks import reconstruction_cost

    opened = open_run(run, device)
    chosen, train = _items(opened, data, split, data_dir, unknown, baselines)
    if isinstance(opened.model, Autoencoder):
        cost = reconstruction_cost(opened.model, chosen)
        print_json(cost.to_dict()) if json else print_cost(opened.model.name or "model", cost)
        return
    result = task(opened.model, chosen, train=train, context=context, samples=samples)
    if json:
        print_json(result.to_dict())
        return
    likelihoods = [*result.baselines.items(), (opened.model.name or "model", result.model)]
    rows = [[name, *likelihood.numbers()] for name, likelihood in likelihoods]
    columns = ["", *result.model.units]
    if result.accuracy is not None:
        columns.append("accuracy")
        rows[-1].append(f"{result.accuracy:.1%}")
    print_table(f"{result.split}, {result.model.n} items", columns, rows, last_bold=True)
    if result.per_step is not None:
        steps = result.per_step
        told = (
            "in windows that are told nothing of those before them"
            if steps.bound
            else f"told at least {steps.context} before it where there are so many"
        )
        say(
            f"each of {steps.steps} steps, {told}: "
            f"{steps.sign}{steps.nats:.4f} ± {steps.nats_se:.4f} {result.model.units[0]}"
            + ("" if steps.bits is None else f", {steps.sign}{steps.bits:.4f} ± {steps.bits_se:.4f} bits")
        )
        if steps.nats_after_first is not None:
            after = f"{steps.nats_after_first:.4f} ± {steps.nats_after_first_se:.4f} nats"
            if not after.startswith(f"{steps.nats:.4f}"):  # of a few long sequences it is the same
                say(f"without the first step of each sequence: {after}")
    if result.floors:
        nats = ", ".join(f"{nats:.2f} at {smallest}" for smallest, nats in result.floors.items())
        say(f"nats by the smallest scale of a density, in units of its column's: {nats}")


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
        data = data_of(run, data_dir)
        return data.items(split or "test"), data.train if baselines else None
    items = items_of(run, source, split, data_dir, unknown, held_out=True)
    try:
        return items, data_of(run, data_dir).train if baselines else None
    except ChainruleError as error:
        say(f"no baselines: {error}")
        return items, None


def print_cost(name: str, cost: ReconstructionCost) -> None:
    """The result of an autoencoder."""
    rows = [[name, f"{cost.mean:.2f} ± {cost.se:.2f}"]]
    print_table(f"{cost.split}, {cost.n} items", ["", "reconstruction cost, nats"], rows, last_bold=True)
    say(f"no likelihood: each item is told given its code of {cost.numbers} numbers, which are not counted")

"""`chainrule demo`: the whole idea on one page of output, in two minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from chainrule.cli.output import print_table, say
from chainrule.data import load_data
from chainrule.tasks import Likelihood
from chainrule.training import Recipe, fit
from chainrule.training.folder import COMPLETIONS, SAMPLES, STRUCTURE

PUBLISHED = 88.72  # nats, validation: the post's network, see recipes/digits/post.yaml
MODEL = "causal-conv1d"


def demo(
    out: Annotated[
        Path, typer.Option(help="The folder for both runs; an earlier demo there is replaced.")
    ] = Path("runs/demo"),
) -> None:
    """Train on 8×8 handwritten digits, compare with the baselines, sample, complete, report.

    Example: `chainrule demo`
    """
    from chainrule.files import atomic_path
    from chainrule.report import completion_grid, draw_structure, export_items, write_report
    from chainrule.tasks import evaluate, known_mask

    data = load_data("digits")
    say(f"{data.describe()}\n{data.source}\n")
    runs = {}
    for name in ("finite-memory", MODEL):
        folder = out / name
        model = Recipe(name).build(data)
        say(f"training {name}, {sum(p.numel() for p in model.parameters()):,} parameters")
        runs[name] = fit(model, data, out=folder, overwrite=True)

    results = {
        name: {split: evaluate(run.model, data, split) for split in ("valid", "test")}
        for name, run in runs.items()
    }
    ours = results[MODEL]
    rows = [
        [name, *(_cell(ours[split].baselines[name]) for split in ours)] for name in ours["valid"].baselines
    ]
    rows += [
        ["finite-memory (2 values)", *(_cell(result.model) for result in results["finite-memory"].values())]
    ]
    rows += [["published (the post's network)", f"{PUBLISHED:.2f}", ""]]
    rows += [[f"{MODEL} (ours)", *(_cell(result.model) for result in ours.values())]]
    print_table(
        "Negative log-likelihood, nats per image (lower is better)",
        ["", "valid", "test"],
        rows,
        last_bold=True,
    )

    run, folder = runs[MODEL], out / MODEL
    generator = torch.Generator().manual_seed(0)
    export_items(run.model.sample(64, generator=generator), data.domain, folder / SAMPLES)
    known = known_mask(data.domain, "top")
    x = data.domain.check(data.test[:8])
    with atomic_path(folder / COMPLETIONS) as temporary:
        completion_grid(x, known, run.model.complete(x, known, 8, generator), data.domain).save(temporary)
    draw_structure(run.model.factorisation, data.domain.check(data.valid[:32]), folder / STRUCTURE)
    report = write_report(run, data, command="chainrule demo", evaluation=ours["valid"])
    say(
        f"""
Trained in {run.metrics[-1]["seconds"]:.0f} s. Look at
  {folder}/{SAMPLES}       64 digits drawn from the model
  {folder}/{COMPLETIONS}   top halves kept, bottom halves drawn
  {folder}/{STRUCTURE}     what each pixel's conditional reads
  {report}       all of it on one page

Try next
  chainrule train lstm --data digits
  chainrule sample {folder} -n 100 --temperature 0.8 -o cold.png
  chainrule complete {folder} digits --keep 0.25 -o quarter.png
  chainrule train causal-conv1d --data digits --set classes=10 --out runs/by-class
  chainrule train causal-conv1d --data your-folder-of-images"""
    )


def _cell(likelihood: Likelihood) -> str:
    return f"{likelihood.nats:.2f} ± {likelihood.nats_se:.2f}"

"""`chainrule demo`: the whole idea on one page of output, in two minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.output import print_table, say
from chainrule.run_files import COMPLETIONS, SAMPLES, STRUCTURE

if TYPE_CHECKING:
    from chainrule.data import Data
    from chainrule.tasks import Evaluation, Likelihood
    from chainrule.training import Run

PUBLISHED = 88.72  # nats, validation: Tomczak (2021), see recipes/digits/post.yaml
MODEL = "causal-conv1d"
NEXT = f"""
Trained in {{seconds:.0f}} s. Look at
  {{folder}}/{SAMPLES}       64 digits drawn from the model
  {{folder}}/{COMPLETIONS}   top halves kept, bottom halves drawn
  {{folder}}/{STRUCTURE}     what each pixel's conditional reads
  {{report}}       all of it on one page

Try next
  chainrule train lstm --data digits
  chainrule sample {{folder}} -n 100 --temperature 0.8 -o cold.png
  chainrule complete {{folder}} digits --keep 0.25 -o quarter.png
  chainrule train causal-conv1d --data digits --set classes=10 --out runs/by-class
  chainrule train causal-conv1d --data your-folder-of-images"""


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for both runs; replaces an earlier demo.")
    ] = Path("runs/demo"),
) -> None:
    """Train on 8×8 handwritten digits; compare with baselines, sample, complete, report.

    Example: `chainrule demo`
    """
    from chainrule.data import load_data
    from chainrule.report import write_report
    from chainrule.tasks import evaluate
    from chainrule.training import Recipe, fit

    data = load_data("digits")
    say(f"{data.describe()}\n{data.source}\n")
    runs = {}
    for name, epochs in (
        ("finite-memory", 40),
        (MODEL, 80),
    ):  # two minutes; what the pages show was drawn after them
        model = Recipe(name).build(data)
        say(f"training {name}, {sum(p.numel() for p in model.parameters()):,} parameters")
        runs[name] = fit(model, data, out=out / name, epochs=epochs, overwrite=True)
    results = {
        name: {split: evaluate(run.model, data, split) for split in ("valid", "test")}
        for name, run in runs.items()
    }
    _compare(results)
    run, folder = runs[MODEL], out / MODEL
    _draw(run, data, folder)
    report = write_report(run, data, command="chainrule demo", evaluation=results[MODEL]["valid"])
    say(NEXT.format(seconds=run.metrics[-1]["seconds"], folder=folder, report=report))


def _compare(results: dict[str, dict[str, Evaluation]]) -> None:
    """Print the baselines, the published number and ours."""
    ours = results[MODEL]
    rows = [
        [name, *(_cell(ours[split].baselines[name]) for split in ours)] for name in ours["valid"].baselines
    ]
    memory = results["finite-memory"].values()
    rows += [["finite-memory (2 values)", *(_cell(result.model) for result in memory)]]
    rows += [["published (Tomczak, 2021)", f"{PUBLISHED:.2f}", ""]]
    rows += [[f"{MODEL} (ours)", *(_cell(result.model) for result in ours.values())]]
    title = "Negative log-likelihood, nats per image (lower is better)"
    print_table(title, ["", "valid", "test"], rows, last_bold=True)


def _draw(run: Run, data: Data, folder: Path) -> None:
    """Samples, completions and the connections, as pictures."""
    import torch

    from chainrule.files import atomic_path
    from chainrule.report import completion_grid, draw_structure, export_items
    from chainrule.tasks import known_mask

    generator = torch.Generator().manual_seed(0)
    export_items(run.model.sample(64, generator=generator), data.domain, folder / SAMPLES)
    known = known_mask(data.domain, "top")
    x = data.domain.check(data.test[:8])
    with atomic_path(folder / COMPLETIONS) as temporary:
        completion_grid(x, known, run.model.complete(x, known, 8, generator), data.domain).save(temporary)
    draw_structure(run.model.factorisation, data.domain.check(data.valid[:32]), folder / STRUCTURE)


def _cell(likelihood: Likelihood) -> str:
    return f"{likelihood.nats:.2f} ± {likelihood.nats_se:.2f}"

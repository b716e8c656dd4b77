"""`chainrule complete`: keep a part of items and draw the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import candidates, check_label, open_run
from chainrule.cli.options.common import (
    DataDir,
    Device,
    HeldOut,
    Json,
    Label,
    Particles,
    RunName,
    SafeCsv,
    Seed,
    Temperature,
    Unknown,
)
from chainrule.cli.options.completing import Draws, First, Keep, MostProbable, Out, Source
from chainrule.cli.options.drawing import Given
from chainrule.cli.options.engine import EngineOptions
from chainrule.cli.output import print_json, say, span
from chainrule.cli.over_parts import over_parts
from chainrule.cli.verb import arrived, named
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.data import Items
    from chainrule.training import Run


def complete(
    run: RunName,
    source: Source,
    out: Out,
    keep: Keep = None,
    given: Given = None,
    n: Draws = None,
    items: First = None,
    split: HeldOut = None,
    unknown: Unknown = None,
    label: Label = None,
    temperature: Temperature = 1.0,
    most_probable: MostProbable = False,
    particles: Particles = None,
    seed: Seed = 0,
    safe_csv: SafeCsv = False,
    *,
    over: EngineOptions,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Complete items: keep the known part and draw the rest. Grid rows: original, known part, n draws.

    In a table, the missing cells are drawn and the others stay unchanged. Conditions hold beside the known cells; a
    known cell that contradicts one is an error.

    Examples:

    `chainrule complete runs/digits-causal-conv1d digits --keep top -n 8 -o completed.png`

    `chainrule complete runs/people many/ --engine ray --workers 8 -o filled/`

    `chainrule complete runs/people gaps.csv --given "age>=40" -o filled.csv`
    """
    if over.engine is not None:
        own: dict[str, Any] = {"seed": seed, "particles": particles or 64}
        over_parts(run, "complete", source, out, over, json=json, device=device, **own)
        return
    import torch

    from chainrule.cli.complete_table import complete_table
    from chainrule.report.export import check_output

    opened = open_run(run, device)
    model = opened.model
    if given and not model.domain.columns:
        raise ChainruleError(f"--given: expected a run of a table, got one of {model.domain}")
    out, source = named(out, opened), arrived(source, opened)
    check_output(out, model.domain, opened.rate)
    temperature = 0.0 if most_probable else temperature
    particles = candidates(opened, particles, temperature)
    how: dict[str, Any] = {"cond": check_label(opened, label), "temperature": temperature}
    how |= {"particles": particles, "generator": torch.Generator().manual_seed(seed)}
    if model.domain.columns:
        result = complete_table(model, source, opened.reading, out, keep, n or 1, items, how, safe_csv, given)
    else:
        found = items_of(opened, source, split, data_dir, unknown, labels=False, held_out=True)
        result = _complete(opened, found.first(items or 8), out, keep or "0.5", n or 8, how)
    _print(result, out, "cells" if model.domain.columns else "variables", bool(given), json)


def _print(result: dict, out: Path, what: str, given: bool, json: bool) -> None:
    """How much was kept and drawn, and how good the draws under conditions are."""
    from chainrule.cli.complete_table import worth_in_words

    files = result.pop("files", [out])
    if json:
        print_json({**result, "file": str(out), **({"files": files} if len(files) > 1 else {})})
        return
    about = "{items} items, {kept} of {of} {what} kept, {n} draws each: {out}"
    say(about.format(**result, what=what, out=span(files)))
    if given:
        say(f"under the conditions: {worth_in_words(result)}")


def _complete(run: Run, items: Items, out: Path, keep: str, n: int, how: dict[str, Any]) -> dict:
    """Draw the rest of each item; write a grid, or the items."""
    from chainrule.files import atomic_path
    from chainrule.report import completion_grid
    from chainrule.report.animation import ANIMATED, sites_of
    from chainrule.report.export import export_items
    from chainrule.tasks import known_mask

    model, files = run.model, [out]
    x = model.domain.check(items.x).to(model.device)
    if items.frames is not None:
        how = {**how, "cond": items.frames.to(model.device)}
    known, ending = known_mask(model.domain, keep), out.suffix.lower()
    about: dict[str, Any] = {"writing": run.writing, "rate": run.rate, "columns": n}
    about["resolution"] = run.reading.resolution or 1
    if ending in ANIMATED:
        about["site"] = sites_of(run, out, known)
    drawn = model.complete(x, known, n, **how)
    if ending == ".png":
        with atomic_path(out) as temporary:
            completion_grid(x, known, drawn, model.domain).save(temporary)
    else:
        files = export_items(drawn.flatten(0, 1), model.domain, out, **about)
    return {"items": len(x), "n": n, "kept": int(known.sum()), "of": model.domain.size, "files": files}

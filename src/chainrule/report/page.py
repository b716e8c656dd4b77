"""The page of a run: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from chainrule.data import Data, decode
from chainrule.data.large.stored import in_memory
from chainrule.data.writing import writing_of
from chainrule.domain.column import Column
from chainrule.files import write_text
from chainrule.models import Model
from chainrule.models.base.capabilities import Bounded, Completes, Exact, Latent, Reconstructs
from chainrule.report.comparison import section
from chainrule.report.curves import learning_curve
from chainrule.report.pictures import as_source, completion_grid, image_grid, is_roll
from chainrule.report.sounds import show_sounds
from chainrule.report.template import render
from chainrule.report.text import as_text
from chainrule.run_files import REPORT
from chainrule.tasks import (
    Evaluation,
    ReconstructionCost,
    evaluate,
    interpolate_latent,
    known_mask,
    nearest,
    reconstruction_cost,
)
from chainrule.tasks.comparison.compare import TableComparison, compare_tables
from chainrule.training import Run

SHOWN, ROLLS = 64, 8  # items in a grid; rolls, which are large
COMPLETED, DRAWS = 8, 8  # items completed, draws of each
NEIGHBOURS, SEARCHED = 3, 10_000  # training images beside a sample; how many of them are searched
ROWS, DRAWN = 10, 1_000  # rows of a table shown; drawn to compare with real ones
PREDICTED = 4  # columns of a table predicted from the others
WIDEST = 30  # columns of a table shown


def write_report(
    run: Run,
    data: Data,
    *,
    command: str | None = None,
    evaluation: Evaluation | ReconstructionCost | None = None,
    path: str | Path | None = None,
) -> Path:
    """Write `report.html`: numbers, curve, samples beside real items, their neighbours, completions, configuration.

    Of an autoencoder: its reconstruction cost, and reconstructions beside their originals.

    The numbers are those of the validation split: the test split is read by `evaluate`, once.

    Args:
        run: with its model.
        data: what it was trained on.
        command: that made the run, as typed.
        evaluation: of the validation split, if it has been made already.
        path: of the page; in the run folder by default.

    Returns:
        The path.
    """
    path = Path(path) if path is not None else (run.folder or Path()) / REPORT
    model, best = run.model, run.best
    page = render(
        "page.html",
        title=f"{model.name or type(model).__name__} on {data.name}",
        data=data.describe(),
        source=data.source,
        parameters=f"{sum(p.numel() for p in model.parameters()):,}",
        best=best,
        command=command,
        config=yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
        **(_modelled if isinstance(model, Exact | Bounded) else _reconstructed)(run, data, evaluation),
    )
    write_text(path, page)
    return path


def _modelled(run: Run, data: Data, evaluation: Any) -> dict:
    """Likelihoods, the curve beside the baselines, and items."""
    model = run.model
    result = evaluate(model, data, "valid") if evaluation is None else evaluation
    baselines = {name: value.nats for name, value in result.baselines.items()}
    return {
        "rows": [*result.baselines.items(), (model.name or type(model).__name__, result.model)],
        "units": result.model.units,
        "n": result.model.n,
        "measure": result.measure,
        "accuracy": result.accuracy,
        "curve": as_source(learning_curve(run.metrics, baselines, result.model.units[0]))
        if run.best
        else None,
        **_items(model, data),
    }


def _reconstructed(run: Run, data: Data, evaluation: Any) -> dict:
    """The reconstruction cost, its curve, and reconstructions beside their originals."""
    model: Any = run.model
    cost = reconstruction_cost(model, data, "valid") if evaluation is None else evaluation
    return {
        "cost": cost,
        "n": cost.n,
        "curve": as_source(learning_curve(run.metrics, {})) if run.best else None,
        **_reconstructions(model, data),
    }


def _reconstructions(model: Any, data: Data) -> dict:
    """Items beside draws from what the model makes of them; with latent numbers also from one item to another."""
    x = data.domain.check(data.valid[: 2 * COMPLETED]).to(model.device)
    drawn = model.reconstruct(x[:COMPLETED], DRAWS, torch.Generator().manual_seed(0))
    rows = torch.cat([x[:COMPLETED, None], drawn], dim=1)
    found = {
        "reconstructions": as_source(image_grid(rows.flatten(0, 1), data.domain, columns=1 + DRAWS)),
        "draws": DRAWS,
    }
    if isinstance(model, Latent):
        ends = x[: len(x) // 2 * 2].unflatten(0, (-1, 2))
        path = interpolate_latent(model, ends[:, 0], ends[:, 1], DRAWS, torch.Generator().manual_seed(0))
        tiles = torch.cat([ends[:, :1], path, ends[:, 1:]], dim=1)
        found["path"] = as_source(image_grid(tiles.flatten(0, 1), data.domain, columns=2 + DRAWS))
    return found


def _items(model: Model, data: Data) -> dict:
    """Samples beside real items, and completions, as pictures, as rows or as text."""
    if data.domain.columns:
        return _table(model, data)
    if data.rate is not None:
        return show_sounds(model, data)
    labels = data.labels.get("valid") if model.conditional else None
    generator = torch.Generator().manual_seed(0)
    real = data.valid[: ROLLS if is_roll(data.domain) else SHOWN]
    cond = None if labels is None else labels[: len(real)].to(model.device)
    samples = model.sample(len(real), cond, generator=generator)
    if data.vocabulary is not None:
        writing = writing_of("".join(data.vocabulary))
        return {
            "real_text": as_text(real[:16], writing, data.domain),
            "sample_text": as_text(samples[:16], writing, data.domain),
        }
    if not data.domain.discrete:
        return {
            "real_text": as_text(real[:16], None, data.domain),
            "sample_text": as_text(samples[:16], None, data.domain),
        }
    return {
        "real": as_source(image_grid(real, data.domain)),
        "samples": as_source(image_grid(samples, data.domain)),
        **(_reconstructions(model, data) if isinstance(model, Reconstructs) else {}),
        **(_completions(model, data, cond, generator) if isinstance(model, Completes) else {}),
        **(_neighbours(samples.cpu(), data) if data.domain.layout == "image" else {}),
    }


def _completions(model: Model, data: Data, cond: Any, generator: torch.Generator) -> dict:
    """Completions of a few items, the first half kept."""
    known = known_mask(data.domain, "top" if data.domain.layout == "image" else "0.5")
    x = data.domain.check(data.valid[:COMPLETED]).to(model.device)
    drawn = model.complete(x, known, DRAWS, generator, cond=None if cond is None else cond[: len(x)])
    return {
        "completions": as_source(completion_grid(x, known, drawn, data.domain)),
        "completion_draws": DRAWS,
    }


def _neighbours(samples: torch.Tensor, data: Data) -> dict:
    """A few samples, each beside the training images nearest to it; and how near samples and unseen images are."""
    train = data.train[:SEARCHED]
    distances, which = nearest(samples, train, NEIGHBOURS)
    unseen, _ = nearest(data.valid[: len(samples)], train, 1)
    rows = torch.cat([samples[:, None], train[which].to(samples.dtype)], dim=1)[:COMPLETED]
    return {
        "neighbours": as_source(image_grid(rows.flatten(0, 1), data.domain, columns=rows.shape[1])),
        "searched": f"the first {len(train):,} of {len(data.train):,}"
        if len(data.train) > SEARCHED
        else f"all {len(train):,}",
        "near": {"samples": len(samples), "distance": distances[:, 0].median().item(),
                 "shown": len(rows), "copies": int((distances[:, 0] == 0).sum()),
                 "unseen": unseen.median().item(), "nearest": NEIGHBOURS},
    }  # fmt: skip


def _table(model: Model, data: Data) -> dict:
    """Columns, rows of both kinds, and their comparison; the test split is left out."""
    columns = data.domain.columns
    seen = torch.cat([in_memory(data.train), in_memory(data.valid)])
    chosen = torch.arange(DRAWN) % len(data.valid)
    labels = data.labels["valid"][chosen].to(model.device) if model.conditional else None
    sampled = model.sample(DRAWN, labels, generator=torch.Generator().manual_seed(0)).cpu()
    missing = seen.isnan().double().mean(0).tolist()
    return {
        "columns": [
            (column.name, column.kind, _values(column), f"{share:.1%}" if share else "")
            for column, share in zip(columns, missing, strict=True)
        ],
        "names": [column.name for column in columns[:WIDEST]],
        "real_rows": _cells(data.valid[:ROWS], columns[:WIDEST]),
        "sample_rows": _cells(sampled[:ROWS], columns[:WIDEST]),
        **section(_compared(data, sampled)),
    }


def _compared(data: Data, sampled: torch.Tensor) -> TableComparison:
    """Drawn rows beside those of validation, which the model has not seen, and of training."""
    columns = data.domain.columns
    valid, drawn, train = (
        decode(rows, columns) for rows in map(in_memory, (data.valid, sampled, data.train))
    )
    return compare_tables(valid, drawn, train, targets=PREDICTED)


def _values(column: Column) -> str:
    """The first few categories."""
    names = ", ".join(map(str, column.categories[:5]))
    return f"{names}, … ({column.levels})" if len(column.categories) > 5 else names


def _cells(x: torch.Tensor, columns: Sequence[Column]) -> list[list[str]]:
    """Rows as texts; a missing cell is a dash."""
    frame = decode(x[:, : len(columns)], columns).astype(object)
    return [
        ["–" if gap else f"{value:.5g}" if isinstance(value, float) else str(value)
         for value, gap in zip(row, gaps, strict=True)]
        for row, gaps in zip(frame.to_numpy(), frame.isna().to_numpy(), strict=True)
    ]  # fmt: skip

"""The page of a run: one HTML file that needs no other."""

from __future__ import annotations

import base64
import io
from importlib import resources
from pathlib import Path

import jinja2
import torch
import yaml
from PIL import Image

from chainrule.data import Data
from chainrule.files import write_text
from chainrule.models import AutoregressiveModel
from chainrule.report.curves import learning_curve
from chainrule.report.export import as_text
from chainrule.report.pictures import completion_grid, image_grid
from chainrule.tasks import Evaluation, evaluate, known_mask
from chainrule.training import Run

SHOWN = 64  # items in a grid
COMPLETED, DRAWS = 8, 8  # items completed, draws of each


def write_report(
    run: Run,
    data: Data,
    *,
    command: str | None = None,
    evaluation: Evaluation | None = None,
    path: str | Path | None = None,
) -> Path:
    """Write `report.html`: numbers, curve, samples beside real items, completions, configuration.

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
    path = Path(path) if path is not None else (run.folder or Path()) / "report.html"
    model, best = run.model, run.best
    result = evaluate(model, data, "valid") if evaluation is None else evaluation
    baselines = {name: value.nats for name, value in result.baselines.items()}
    rows = [*result.baselines.items(), (model.name or type(model).__name__, result.model)]
    template = jinja2.Environment(autoescape=True).from_string(
        resources.files("chainrule.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    page = template.render(
        title=f"{model.name or type(model).__name__} on {data.name}",
        data=data.describe(),
        source=data.source,
        parameters=f"{sum(p.numel() for p in model.parameters()):,}",
        rows=rows,
        n=result.model.n,
        best=best,
        curve=_png(learning_curve(run.metrics, baselines)) if best else None,
        command=command,
        config=yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
        **_items(model, data),
    )
    write_text(path, page)
    return path


def _items(model: AutoregressiveModel, data: Data) -> dict:
    """Samples beside real items, and completions, as pictures or as text."""
    labels = data.labels.get("valid") if model.conditional else None
    generator = torch.Generator().manual_seed(0)
    real = data.valid[:SHOWN]
    cond = None if labels is None else labels[: len(real)].to(model.device)
    samples = model.sample(len(real), cond, generator=generator)
    if data.vocabulary is not None:
        vocabulary = "".join(data.vocabulary)
        return {"real_text": as_text(real[:16], vocabulary), "sample_text": as_text(samples[:16], vocabulary)}
    if not data.domain.discrete:
        return {"real_text": as_text(real[:16], None), "sample_text": as_text(samples[:16], None)}
    known = known_mask(data.domain, "top" if data.domain.layout == "image" else "0.5")
    x = data.domain.check(data.valid[:COMPLETED]).to(model.device)
    drawn = model.complete(x, known, DRAWS, generator, cond=None if cond is None else cond[: len(x)])
    return {
        "real": _png(image_grid(real, data.domain)),
        "samples": _png(image_grid(samples, data.domain)),
        "completions": _png(completion_grid(x, known, drawn, data.domain)),
    }


def _png(picture: Image.Image | bytes) -> str:
    if isinstance(picture, Image.Image):
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        picture = buffer.getvalue()
    return "data:image/png;base64," + base64.b64encode(picture).decode()

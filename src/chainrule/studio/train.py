"""Train: a small model learns in a process of its own, while its curve and its samples grow."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import gradio as gr
import torch

from chainrule.data import load_data
from chainrule.data.sets.named import list_data
from chainrule.errors import ChainruleError, RunError
from chainrule.models.base.capabilities import Samples
from chainrule.models.choose import choose_models
from chainrule.report.curves import learning_curve
from chainrule.run_files import METRICS
from chainrule.studio.items import show_items
from chainrule.studio.parts import EVENT, choice, picture, shown, slider
from chainrule.studio.runs import Runs
from chainrule.training import Run
from chainrule.training.run import read_metrics

LABEL = "Train"
LOOK = 1.0  # seconds between two looks at what has been learnt
DRAWS, MOST_MINUTES = 16, 10
MOST_BYTES = 64 * 1024**2  # of a named set that is offered
FIRST = "digits"
TRAINING = {**EVENT, "concurrency_id": "training"}  # one at a time; meanwhile others may use the runs


def suits(run: Run) -> bool:
    """Always: it makes a run of its own."""
    return True


def build(run: Run, runs: Runs) -> None:
    """Lay out the choice, the curve and the samples."""
    gr.Markdown("The run is kept in a temporary folder, and removed at the end: `chainrule train` keeps one.")
    with gr.Row():
        first = runs.data[0] if runs.data else FIRST
        data = choice(sets(runs), first, "Data", elem_id="train-data")
        names = models_for(runs, first)
        model = choice(names, names[0], "Model", elem_id="train-model")
        minutes = slider(1, MOST_MINUTES, 2, "Minutes at most")
    with gr.Row():
        start = gr.Button("Train", variant="primary", elem_id="train-start")
        stop = gr.Button("Stop", elem_id="train-stop")
    with gr.Row():
        curve = gr.HTML(elem_id="train-curve", min_height=80)
        drawn = gr.HTML(elem_id="train-samples")
    data.input(shown(partial(_other_models, runs)), data, model, **EVENT)
    running = start.click(shown(partial(train, runs)), [data, model, minutes], [curve, drawn], **TRAINING)
    stop.click(None, cancels=[running])


def sets(runs: Runs) -> list[str]:
    """What the page was given to train on, and the named sets that are on this machine."""
    named = [found.name for found in list_data() if found.present and (found.bytes or 0) <= MOST_BYTES]
    return runs.data + named


def models_for(runs: Runs, data: str) -> list[str]:
    """The models that suit data, the likeliest to do well first.

    Raises:
        ChainruleError: if it is none of `sets`.
    """
    if data not in (known := sets(runs)):
        raise ChainruleError(f"data: expected one of {', '.join(known)}; got {data!r}")
    loaded = load_data(data)
    return [choice.name for choice in choose_models(loaded.domain, len(loaded.train))]


def train(runs: Runs, data: str, model: str, minutes: float) -> Iterator[tuple[str, str]]:
    """The curve and samples of a model under training, as HTML, whenever they have changed.

    Raises:
        ChainruleError: if the model does not suit the data, or training fails.
    """
    if model not in models_for(runs, data):
        raise ChainruleError(f"model: expected one that suits {data}, got {model!r}")
    minutes = min(max(int(minutes), 1), MOST_MINUTES)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        words = ["train", model, "--data", data, "--out", str(folder), "--minutes", str(minutes)]
        log = Path(place) / "log.txt"
        with log.open("w") as said:
            child = subprocess.Popen([sys.executable, "-m", "chainrule", *words], stdout=said, stderr=said)
        try:
            seen = 0
            while child.poll() is None:
                time.sleep(LOOK)
                with suppress(RunError):  # its first weights are not there yet
                    if len(rows := read_metrics(folder / METRICS)) > seen:
                        seen = len(rows)
                        yield learnt(folder)
            if child.returncode:
                raise ChainruleError(f"train: {log.read_text().strip().splitlines()[-1]}")
            yield learnt(folder)
        finally:
            child.terminate()
            child.wait()


def learnt(folder: Path) -> tuple[str, str]:
    """The curve of a run so far, and samples of its best weights, as HTML."""
    run = Run.open(folder)
    curve = picture(learning_curve(run.metrics, {}), "the learning curve")
    if not isinstance(run.model, Samples):
        return curve, ""
    return curve, show_items(run, run.model.sample(DRAWS, generator=torch.Generator().manual_seed(0)))


def _other_models(runs: Runs, data: str) -> gr.Dropdown:
    names = models_for(runs, data)
    return choice(names, names[0], "Model")

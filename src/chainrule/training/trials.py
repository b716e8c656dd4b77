"""Several amounts of noise are tried, and validation chooses."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from chainrule._version import __version__
from chainrule.data import Data
from chainrule.models import Model
from chainrule.models.store import load_weights, save_card
from chainrule.run_files import METRICS, TRIALS, WEIGHTS
from chainrule.training.config import TrainingConfig
from chainrule.training.descent import descend
from chainrule.training.run import best_of, read_metrics
from chainrule.training.session import Session, minutes_in_words


def choose_trial(
    session: Session, model: Model, data: Data, config: TrainingConfig, trials: Sequence[dict]
) -> None:
    """Train once with each set of hyperparameters, in `folder/trials/K`; the one of lowest validation is kept.

    A trial that is worse after half of its epochs than the best before it was by then is not trained to its end. Each
    has an even share of the time that the earlier ones have left; where none is left, it is not begun.

    Args:
        session: of the run; its folder gets the weights, the curve and the card of the best. Resumed, trials that are
            done are not repeated.
        model: trained in place; afterwards it is the best.
        data: its training and validation splits are used.
        config: how; its minutes are of all trials.
        trials: hyperparameters that `model.retune` takes.

    Raises:
        KeyboardInterrupt: on Ctrl-C, with the best so far left in the folder.
    """
    initial = copy.deepcopy(model.state_dict())
    folders = [session.folder / TRIALS / str(k) for k in range(len(trials))]
    try:
        for k, (trial, place) in enumerate(zip(trials, folders, strict=True)):
            rival = partial(_best_within, folders[:k])
            own = replace(session, folder=place, title=f"trial {k + 1} of {len(trials)}", rival=rival)
            left = config.minutes and config.minutes - sum(map(_minutes_of, folders[:k]))
            if config.minutes and left <= 0:
                own.say(f"not begun: the {minutes_in_words(config.minutes)} are over")
                break
            model.load_state_dict(initial)
            model.retune(**trial)
            descend(own, model, data, replace(config, minutes=left / (len(trials) - k)))
    finally:
        _keep_best(session, folders, model, trials)


def _minutes_of(folder: Path) -> float:
    """How long a trial took, over all sessions, until its last validation."""
    return max((row["seconds"] for row in read_metrics(folder / METRICS)), default=0.0) / 60


def _best_within(folders: Sequence[Path], epochs: int) -> float:
    """The lowest validation of some trials in their first epochs."""
    rows = [row for place in folders for row in read_metrics(place / METRICS)[:epochs]]
    return (best_of(rows) or {"valid_nats": float("inf")})["valid_nats"]


def _keep_best(session: Session, folders: Sequence[Path], model: Model, trials: Sequence[dict]) -> None:
    """Put the files of the best trial into the run folder, and its weights into the model."""
    started = [k for k, place in enumerate(folders) if (place / WEIGHTS).exists()]
    if not started:
        return
    lowest = {k: best_of(read_metrics(folders[k] / METRICS)) for k in started}
    best = min(started, key=lambda k: (lowest[k] or {"valid_nats": float("inf")})["valid_nats"])
    model.retune(**trials[best])
    if session.ranks.first:
        for name in (METRICS, WEIGHTS):
            if (folders[best] / name).exists():
                shutil.copyfile(folders[best] / name, session.folder / name)
        save_card(model, session.folder, version=__version__)
    load_weights(model, folders[best] / WEIGHTS)
    model.eval()

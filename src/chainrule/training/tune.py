"""Hyperparameters by trial: Optuna proposes, validation judges, poor trials are pruned."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl

from chainrule.data import Data
from chainrule.errors import ChainruleError
from chainrule.models import hyperparameters_of
from chainrule.training.fit import fit
from chainrule.training.recipe import Recipe
from chainrule.training.run import Run

if TYPE_CHECKING:
    import optuna

STUDY = "study.db"
NAME = "chainrule"
SIZES = ("hidden", "channels", "width", "depth", "layers")  # half or twice the default
RATES = (3e-4, 2e-2)
BATCHES = (16, 32, 64, 128)
GRACE = 900  # seconds after which a trial of a killed process is over


def tune(
    recipe: Recipe,
    data: Data,
    out: str | Path,
    *,
    seconds: float,
    trials: int | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> optuna.Study:
    """Try hyperparameters until the time is over; several processes with one `out` share a study.

    The learning rate, batch size, weight decay, dropout and sizes are tried, unless the recipe fixes them; the first
    trial has the defaults. Each is a run in `out/trials/K`.

    Args:
        recipe: the model, and what is fixed.
        data: trains and validates.
        out: folder of the study, `study.db`, which a later call goes on with.
        seconds: after which no trial is begun; the last one is stopped then.
        trials: at most, in this call.
        device: as in `fit`.
        say: called with a line for each trial.

    Raises:
        ChainruleError: if optuna is not installed, or the study there is of another model or data.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ChainruleError("tune: needs optuna: pip install 'chainrule[tune]'") from error

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Heartbeats, by which trials of a killed process are seen to be over.
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    out, end = Path(out), time.monotonic() + seconds
    out.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{out / STUDY}", heartbeat_interval=60, grace_period=GRACE
    )
    study = optuna.create_study(
        study_name=NAME, storage=storage, load_if_exists=True, direction="minimize",
        sampler=optuna.samplers.TPESampler(),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )  # fmt: skip
    about = {"model": recipe.model, "data": data.origin.get("checksum") or data.origin.get("source")}
    for key, value in about.items():
        before = study.user_attrs.get(key)
        if before is not None and before != value:
            raise ChainruleError(
                f"{out}: holds a study of {key} {before}, got {value}; choose another folder"
            )
        study.set_user_attr(key, value)
    if not study.trials:
        study.enqueue_trial({})  # nothing changed

    def objective(trial: optuna.Trial) -> float:
        own = _proposed(recipe, trial)
        left = (end - time.monotonic()) / 60
        if left <= 0:
            raise optuna.TrialPruned
        training = {**own.training, "minutes": min(left, own.training.get("minutes") or left)}
        report = _Report(trial)
        run = fit(
            own.build(data), data, out=out / "trials" / str(trial.number), device=device, progress=False,
            callbacks=[report], **training,
        )  # fmt: skip
        best = run.best
        if report.pruned or best is None:
            say(f"trial {trial.number}: pruned after {len(run.metrics)} epochs")
            raise optuna.TrialPruned
        say(f"trial {trial.number}: {best['valid_nats']:.2f} nats  {_in_words(trial.params)}")
        return best["valid_nats"]

    study.optimize(
        objective, n_trials=trials, timeout=max(end - time.monotonic(), 0), catch=(ChainruleError,)
    )
    return study


def best_run(study: optuna.Study, out: str | Path) -> Run:
    """The run of the lowest validation.

    Raises:
        ChainruleError: if no trial was completed.
    """
    try:
        number = study.best_trial.number
    except ValueError as error:
        raise ChainruleError(f"{out}: no trial was completed; give it more time") from error
    return Run.open(Path(out) / "trials" / str(number))


def _proposed(recipe: Recipe, trial: optuna.Trial) -> Recipe:
    """The recipe with what a trial proposes; what it fixes stays."""
    first = trial.number == 0
    defaults = hyperparameters_of(recipe.model)
    training, own = dict(recipe.training), dict(recipe.hyperparameters)
    if first:
        return recipe
    if "lr" not in training:
        training["lr"] = trial.suggest_float("lr", *RATES, log=True)
    if "batch_size" not in training:
        training["batch_size"] = trial.suggest_categorical("batch_size", BATCHES)
    if "weight_decay" not in training:
        training["weight_decay"] = trial.suggest_categorical("weight_decay", (0.0, 0.01, 0.1))
    for name, default in defaults.items():
        if name in own:
            continue
        if "dropout" in name and isinstance(default, float):
            own[name] = trial.suggest_float(name, 0.0, 0.5)
        elif name in SIZES and default is not None:
            factor = trial.suggest_categorical(f"{name} ×", (0.5, 1.0, 2.0))
            own[name] = _scaled(default, factor)
    return replace(recipe, training=training, hyperparameters=own)


def _scaled(size: Any, factor: float) -> Any:
    """A size, or several, times a factor; at least 1."""
    if isinstance(size, list | tuple):
        return [_scaled(one, factor) for one in size]
    return max(round(size * factor), 1)


def _in_words(settings: Mapping[str, Any]) -> str:
    shown = (
        f"{key}={value:.2g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in settings.items()
    )
    return " ".join(shown) or "as by default"


class _Report(pl.Callback):
    """Tells the study of each validation, and stops a trial that it prunes."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial, self.pruned = trial, False

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After the validation of the epoch."""
        from chainrule.training.recorder import Recorder

        recorder = next(one for one in trainer.callbacks if isinstance(one, Recorder))  # type: ignore[attr-defined]
        best = recorder.best
        if best is None:
            return
        self.trial.report(best["valid_nats"], len(recorder.history))
        if self.trial.should_prune():
            self.pruned = trainer.should_stop = True

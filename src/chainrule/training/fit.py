"""`fit`: train a model, or estimate it in closed form, and keep the run."""

from __future__ import annotations

import contextlib
import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console

from chainrule import __version__
from chainrule.data import Data
from chainrule.errors import ChainruleError, DataError, RunError
from chainrule.models import Model, save_model
from chainrule.models.store import WEIGHTS, load_weights, save_card
from chainrule.training.config import TrainingConfig
from chainrule.training.run import CONFIG, Run, read_config, write_config


def fit(
    model: Model,
    data: Data,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
    **options,
) -> Run:
    """Fit a model by maximum likelihood.

    Models with a closed form are estimated; the others are trained by gradient descent, and the weights (their
    running average) of the best validation are kept.

    Args:
        model: trained in place; afterwards it has the best weights and is in evaluation mode.
        data: its training and validation splits are used, the test split is not read. A conditional model
            is given the labels.
        out: the run folder; None keeps nothing on disk.
        resume: go on with the run in `out`, which must have been started with the same settings. The result is that
            of a run never interrupted.
        device: "auto", "cpu", "cuda" or another that Lightning knows.
        progress: whether to show a progress bar.
        **options: of `TrainingConfig`: epochs, batch_size, lr, seed, …

    Raises:
        DataError: if the data lie in another domain than the model's, or lack the labels it needs.
        RunError: if `out` already holds a run and `resume` is not given, or holds another run.
        ChainruleError: on an unknown or impossible option.
        KeyboardInterrupt: on Ctrl-C, with a usable run left in `out`.

    Example:
        >>> import chainrule as cr
        >>> data = cr.load_data("digits")
        >>> run = fit(cr.create_model("independent", data.domain), data)
        >>> run.model.log_prob(data.valid).shape
        torch.Size([350])
    """
    config = TrainingConfig.of(model.training_defaults, options)
    if model.domain != data.domain:
        raise DataError(f"{data.name}: expected data in the model's domain {model.domain}, got {data.domain}")
    if model.conditional:
        _check_labels(model, data)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
            run = _fit_in(Path(folder), model, data, config, False, device, progress)
            run.folder = None
            return run
    return _fit_in(Path(out), model, data, config, resume, device, progress)


def _fit_in(
    folder: Path,
    model: Model,
    data: Data,
    config: TrainingConfig,
    resume: bool,
    device: str,
    progress: bool,
) -> Run:
    record = {
        "chainrule": __version__,
        "torch": str(torch.__version__),
        "model": model.name,
        "hyperparameters": model.hyperparameters,
        "domain": str(model.domain),
        "data": data.origin,
        "vocabulary": None if data.vocabulary is None else "".join(data.vocabulary),
        "training": config.to_dict(),
    }
    if model.closed_form:
        model.estimate(data.train)
        model.eval()
        _claim(folder, record, resume)
        save_model(model, folder, version=__version__)
        return Run.open(folder, model)
    return _train(folder, model, data, config, record, resume, device, progress)


def _check_labels(model: Model, data: Data) -> None:
    """A model trained on a data set is conditional on the set's labels."""
    classes = model.condition.classes
    if classes is None or "train" not in data.labels:
        found = (
            f"labels 0 … {max(int(y.max()) for y in data.labels.values())}" if data.labels else "no labels"
        )
        raise DataError(f"{data.name}: expected {model.condition.expected} beside each item, found {found}")
    highest = max(int(labels.max()) for labels in data.labels.values())
    if highest >= classes:
        raise DataError(
            f"{data.name}: expected labels in [0, {classes}), found {highest}; set classes={highest + 1}"
        )


def _claim(folder: Path, record: dict, resume: bool) -> None:
    """Write the configuration, or check that a run to be resumed has the same."""
    if not (folder / CONFIG).exists():
        write_config(folder, record)
        return
    if not resume:
        raise RunError(f"{folder}: already holds a run; resume it, or choose another folder")
    before = read_config(folder)
    for part in ("model", "hyperparameters", "domain", "data", "training"):
        was, now = before.get(part), record[part]
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):  # only what differs
            differing = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
            was, now = ({key: value.get(key) for key in differing} for value in (was, now))
        raise RunError(f"{folder}: cannot resume: {part} was {was}, is now {now}")


def _train(
    folder: Path,
    model: Model,
    data: Data,
    config: TrainingConfig,
    record: dict,
    resume: bool,
    device: str,
    progress: bool,
) -> Run:
    with _quiet():
        import lightning.pytorch as pl

    from chainrule.training.averaging import WeightEMA
    from chainrule.training.batches import batches
    from chainrule.training.checkpoint import SafetensorsIO
    from chainrule.training.module import Likelihood
    from chainrule.training.progress import ProgressLine
    from chainrule.training.recorder import LAST, Recorder

    model.prepare(data.train)
    chosen = _device(device)
    precision = config.lightning_precision(chosen)
    _claim(folder, record, resume)  # nothing is written before everything given is seen to be possible
    last = folder / LAST
    labels = data.labels if model.conditional else {}
    train = batches(data.train, labels.get("train"), config.batch_size, seed=config.seed)
    valid = batches(data.valid, labels.get("valid"), 4 * config.batch_size)
    recorder = Recorder(folder, config.patience)
    callbacks: list[pl.Callback] = [recorder]
    if config.ema:
        callbacks.append(WeightEMA(config.ema))
    if progress:
        callbacks.append(ProgressLine(recorder, Console(stderr=True)))
    with _quiet(), torch.random.fork_rng(devices=[]), _restored_interrupt():
        trainer = pl.Trainer(
            accelerator=chosen.type,
            devices=1,
            precision=precision,
            max_epochs=config.epochs,
            gradient_clip_val=config.clip or None,
            callbacks=callbacks,
            plugins=[SafetensorsIO()],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        module = Likelihood(model, config, config.epochs * len(train))
        save_card(model, folder, version=__version__)
        interrupted = False
        try:
            trainer.fit(module, train, valid, ckpt_path=last if resume and last.exists() else None)
        except SystemExit:  # Lightning's answer to Ctrl-C
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    load_weights(model, folder / WEIGHTS)
    model.eval()
    return Run.open(folder, model)


def _device(name: str) -> torch.device:
    """The device that Lightning will use under this name.

    Raises:
        ChainruleError: if there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device("cuda" if name == "gpu" else name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ChainruleError(f"device {name!r}: {str(error).splitlines()[0]}") from error
    if device.index is not None:
        raise ChainruleError(f"device: expected a kind such as {device.type}, got {name!r}")
    return device


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice, which is for those who write training loops."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", module=r"torch\.(jit|optim)\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _restored_interrupt() -> Iterator[None]:
    """Give Ctrl-C back after Lightning, which ignores it from the first one on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)

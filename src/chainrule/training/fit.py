"""`fit`: train a model, or estimate it in closed form, and keep the run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from chainrule._version import __version__
from chainrule.data import Data, load_data
from chainrule.data.large.stored import in_memory
from chainrule.errors import ChainruleError, DataError, RunError
from chainrule.files import scratch
from chainrule.models import Model, save_model
from chainrule.models.base.capabilities import ClosedForm
from chainrule.models.store import load_weights
from chainrule.remarks import wanted
from chainrule.run_files import CONFIG, WEIGHTS, check_run_folder
from chainrule.training.config import TrainingConfig
from chainrule.training.descent import descend
from chainrule.training.device import find_device
from chainrule.training.folder import locked, read_config, write_config, written
from chainrule.training.loggers import check_loggers
from chainrule.training.mutation import check_mutable
from chainrule.training.ranks import Ranks
from chainrule.training.replacement import NEXT, finish, place_beside, replace
from chainrule.training.run import Run
from chainrule.training.session import CHECKPOINT_MINUTES, Session
from chainrule.training.shift import check_movable
from chainrule.training.trials import choose_trial
from chainrule.where import locate

EXTENDED = ("epochs", "steps", "minutes", "patience", "lr", "cosine")  # what another resumption may change


def fit(
    model: Model,
    data: Any,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    extend: bool = False,
    overwrite: bool = False,
    start: str | Path | None = None,
    device: str = "auto",
    progress: bool = True,
    devices: int | None = None,
    nodes: int | None = None,
    strategy: str = "auto",
    accumulate: int = 1,
    logger: Any = None,
    callbacks: Sequence[Any] = (),
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    deterministic: bool = False,
    **options: Any,
) -> Run:
    """Fit a model by maximum likelihood.

    Models with a closed form are estimated; the others are trained by gradient descent, and the weights (their
    running average) of the best validation are kept.

    Args:
        model: trained in place; afterwards it has the best weights, is in evaluation mode, and stays on the device.
        data: a `Data`, or what `load_data` takes, such as arrays, tensors and frames, in the model's domain. Its
            training and validation splits are used, the test split is not read. A conditional model is given the
            labels, or the frames of recordings.
        out: the run folder; None keeps nothing on disk. No other process can train there meanwhile.
        resume: go on with the run in `out`, which must have been started with the same settings. The result is that
            of a run never interrupted.
        extend: with `resume`, let epochs, steps, minutes, patience, lr and cosine be others than before.
        overwrite: replace the run in `out`, once the new one is trained; the old one stays usable until then, and
            where that is never. Only what the library wrote is removed. With `resume`, go on with a replacement that
            was interrupted.
        start: a run of the same model, whose weights (and units) this one starts with instead of fresh ones.
        device: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu" or another of torch's.
        progress: whether to show a progress bar; where standard error is no terminal, a line per epoch.
        devices: processes on this machine that share each batch, one to a GPU or to some cores; by default 1, or what
            torchrun has started. They are started here, unless torchrun or `srun` has started this one among others.
            `batch_size` items stay those of a step, and the result that of one process, up to rounding.
        nodes: machines; their processes are started by torchrun or `srun`.
        strategy: "ddp", or "fsdp", where each process holds its share of the weights alone; "auto" is "ddp".
        accumulate: passes into which each step's items are cut, for batches that do not fit.
        logger: "tensorboard", "csv", "wandb" or "mlflow", a logger of Lightning's, or several.
        callbacks: Lightning's, called beside our own.
        checkpoint_minutes: after which the checkpoint to resume from is written in the middle of an epoch too; 0 writes
            it after each epoch alone.
        deterministic: whether torch may use deterministic kernels only: slower, and on the same device the numbers are
            the same each time, resumed or not.
        **options: of `TrainingConfig`: epochs, batch_size, lr, seed, …

    Raises:
        DataError: if the data lie in another domain than the model's, or lack the labels or frames it needs.
        RunError: if `out` already holds a run and neither `resume` nor `overwrite` is given, holds another run than
            the one to resume, something else than a run, or the data to train on; or another process trains there.
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
    if not checkpoint_minutes >= 0:
        raise ChainruleError(f"checkpoint_minutes: expected a number ≥ 0, got {checkpoint_minutes}")
    if not isinstance(data, Data):
        data = load_data(data, domain=model.domain)
    if model.domain != data.domain:
        raise DataError(f"{data.name}: expected data in the model's domain {model.domain}, got {data.domain}")
    if config.mutate:
        check_mutable(model.domain)
    if config.shift:
        check_movable(model.domain)
    if model.conditional:
        _check_cond(model, data)
    ranks, place = Ranks.of(devices, nodes, strategy, accumulate), find_device(device, model.domain)
    more: dict[str, Any] = {"ranks": ranks, "loggers": check_loggers(logger), "callbacks": tuple(callbacks)}
    shown = progress and ranks.first and wanted()
    config, reason = config.settled(len(data.train), {*model.training_defaults, *options})
    more |= {"checkpoint_minutes": checkpoint_minutes, "reason": reason, "deterministic": deterministic}
    model.cpu()  # what is found from all of the data is found there
    ranks.join(place)
    if out is None:
        with scratch() as own:
            folder = Path(ranks.told(str(own)))
            session = Session(folder, place, False, False, shown, **more)
            _fit_in(session, model, data, config, start, extend)
            run = Run.open(folder, model)
            run.model.to(place)
            run.folder = None
            ranks.wait()  # the first one removes it
            return run
    folder = Path(out)
    with locked(folder) if ranks.first else nullcontext():
        here = folder
        if ranks.first:
            finish(folder)
            here = place_beside(folder, data.origin, resume) if overwrite else folder
        here = Path(ranks.told(str(here)))
        session = Session(here, place, resume, True, shown, **more)
        try:
            _fit_in(session, model, data, config, start, extend)
        finally:
            if ranks.first:
                with suppress(OSError):  # nothing was begun
                    (folder / NEXT).rmdir()
        if ranks.first and here != folder:
            replace(folder)
        ranks.wait()
        run = Run.open(folder, model)
        run.model.to(place)
        return run


def _fit_in(
    session: Session, model: Model, data: Data, config: TrainingConfig, start: str | Path | None, extend: bool
) -> None:
    folder, first = session.folder, session.ranks.first
    record = {
        "chainrule": __version__,
        "torch": str(torch.__version__),
        "model": model.name,
        "hyperparameters": dict(model.hyperparameters),
        "domain": str(model.domain),
        "data": data.origin,
        "vocabulary": None if data.vocabulary is None else "".join(data.vocabulary),
        "rate": data.rate,
        "labels": {name: list(classes) for name, classes in data.classes.items()} or None,
        "carried": [asdict(column) for column in data.carried] or None,
        "training": config.to_dict(),
    }
    if isinstance(model, ClosedForm):
        seen = in_memory(data.train)
        model.estimate(seen)
        if len(seen) < len(data.train):
            session.say(
                f"{model.name}: estimated from {len(seen):,} random of {len(data.train):,} training items"
            )
        model.eval()
        if first:
            _claim(folder, record, session.resume)
            save_model(model, folder, version=__version__)
        session.ranks.wait()
        return
    model.prepare(in_memory(data.train))
    if start is not None:
        record["start"] = str(start)
        _start_from(start, model)
    if first:
        _claim(folder, record, session.resume, EXTENDED if extend else ())
    trials = model.trials(len(data.train))
    if trials:
        choose_trial(session, model, data, config, trials)
    else:
        descend(session, model, data, config)


def _check_cond(model: Model, data: Data) -> None:
    """A model trained on a data set is conditional on the set's labels, or on the frames of its recordings."""
    condition = model.condition
    if condition.maps is not None or data.frames:
        shape = tuple(data.frames["train"].shape[1:]) if data.frames else None
        if shape != condition.maps:
            found = f"frames {shape}" if shape else "none"
            raise DataError(
                f"{data.name}: expected {condition.expected} beside each item, found {found}; give the same features "
                "to the data and to the model"
            )
        return
    most_of = [labels.reshape(len(labels), -1).amax(0) for labels in data.labels.values()]
    highest = torch.stack(most_of).amax(0).tolist() if most_of else []
    if (
        condition.classes is None
        or "train" not in data.labels
        or data.labels["train"].shape[1:] != condition.item_shape
    ):
        names = data.label_names or ["labels"] * len(highest)
        each = ", ".join(f"{name} 0 … {most}" for name, most in zip(names, highest, strict=True))
        raise DataError(
            f"{data.name}: expected {condition.expected} beside each item, found {each or 'no labels'}"
        )
    if any(most >= count for most, count in zip(highest, condition.counts, strict=True)):
        found, needed = " and ".join(map(str, highest)), [most + 1 for most in highest]
        raise DataError(
            f"{data.name}: expected labels in {condition.ranges}, found {found}; "
            f"set classes={needed if len(needed) > 1 else needed[0]}"
        )


def _start_from(run: str | Path, model: Model) -> None:
    """Take over the weights of a run of the same model."""
    folder = locate(run)
    check_run_folder(folder)
    try:
        load_weights(model, folder / WEIGHTS)
    except RunError as error:
        raise RunError(
            f"{run}: cannot be started from: expected a run of the same {model.name} ({error})"
        ) from error


def _claim(folder: Path, record: dict, resume: bool, extended: Sequence[str] = ()) -> None:
    """Write the configuration, or check that a run to be resumed has the same, but for what may be extended."""
    if not (folder / CONFIG).exists():
        if foreign := written(folder):
            raise RunError(
                f"{folder}: is not a run, but holds a file that a run would replace, {foreign[0].name}"
            )
        write_config(folder, record)
        return
    if not resume:
        raise RunError(f"{folder}: already holds a run; resume or overwrite it, or choose another folder")
    before = read_config(folder)
    for part in ("model", "hyperparameters", "domain", "data", "vocabulary", "rate", "labels", "training"):
        was, now = before.get(part), record[part]
        if part == "training" and isinstance(was, dict):
            was = {**was, **{name: now[name] for name in extended}}
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):  # only what differs
            differing = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
            was, now = ({key: value.get(key) for key in differing} for value in (was, now))
        raise RunError(f"{folder}: cannot resume: {part} was {was}, is now {now}")
    if extended:
        write_config(folder, before | {"training": record["training"]})

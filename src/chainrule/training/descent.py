"""Gradient descent by Lightning: one model, one run folder."""

from __future__ import annotations

import contextlib
import copy
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from chainrule._version import __version__
from chainrule.data import Data
from chainrule.engine import end_training
from chainrule.errors import ChainruleError, RunError
from chainrule.models import Model
from chainrule.models.store import WEIGHTS, load_weights, save_card
from chainrule.training.config import TrainingConfig
from chainrule.training.folder import LAST
from chainrule.training.quiet import quiet


def descend(
    folder: Path,
    model: Model,
    data: Data,
    config: TrainingConfig,
    claim: Callable[[], None],
    *,
    resume: bool,
    device: str,
    progress: bool,
    title: str = "",
    rival: Callable[[int], float] | None = None,
    resumable: bool = True,
) -> None:
    """Gradient descent in a run folder, until the epochs or the patience are spent; the model gets the best weights.

    Args:
        folder: of the run.
        model: gets the best weights at the end, and is in evaluation mode then; a copy is trained.
        data: its training and validation splits are used.
        config: how.
        claim: writes the configuration, once everything given is seen to be possible.
        resume: go on from the folder's checkpoint, if there is one.
        device: see `fit`.
        progress: whether to show a bar.
        title: what the bar is called.
        rival: number of epochs → the lowest validation of other runs within it; halfway, a run that is worse stops.
        resumable: whether to write a checkpoint after each epoch.

    Raises:
        KeyboardInterrupt: on Ctrl-C, with weights left in the folder.
        SystemExit: 143 on SIGTERM, likewise.
    """
    with quiet():
        import lightning.pytorch as pl
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    from chainrule.training.averaging import WeightEMA
    from chainrule.training.batches import batches, crops
    from chainrule.training.checkpoint import SafetensorsIO
    from chainrule.training.in_turn import InTurn
    from chainrule.training.module import Likelihood
    from chainrule.training.progress import ProgressLine
    from chainrule.training.recorder import Recorder

    chosen = find_device(device)
    precision = config.lightning_precision(chosen)
    claim()
    last = folder / LAST
    resumed = resume and last.exists()
    conds = {split: data.cond(split) if model.conditional else None for split in ("train", "valid")}
    epochs, passes = config.plan(len(data.train))
    size = config.batch_of(len(data.train))
    if "train" in data.streams:
        train = crops(data, size, config.seed, passes, conditional=model.conditional)
    else:
        train = batches(data.train, conds["train"], size, seed=config.seed, passes=passes)
    valid = batches(data.valid, conds["valid"], max(4 * size, 256))
    middle = -(-epochs // 2)
    race: dict[str, Any] = {} if rival is None else {"halfway": middle, "rival": rival(middle)}
    recorder = Recorder(folder, config.patience, config.minutes, resumable=resumable, **race)
    turn = InTurn()
    callbacks: list[pl.Callback] = [turn, recorder]
    if config.ema:
        callbacks.append(WeightEMA(config.ema))
    if progress:
        callbacks.append(ProgressLine(recorder, Console(stderr=True), title))
    # Another thread may sample from the model: until the end it stays as it is.
    trained = copy.deepcopy(model).train()
    with quiet(), _restored_interrupt():
        trainer = pl.Trainer(
            accelerator=chosen.type,
            devices=1,
            precision=precision,
            max_epochs=epochs,
            gradient_clip_val=config.clip or None,
            callbacks=callbacks,
            # One process, whatever a cluster's or a launcher's variables say of others.
            plugins=[SafetensorsIO(), LightningEnvironment()],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        module = Likelihood(trained, config, epochs * len(train), recorder.elapsed)
        save_card(model, folder, version=__version__)
        stopped: BaseException | None = None
        try:
            trainer.fit(module, train, valid, ckpt_path=last if resumed else None)
        except (ChainruleError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if not resumed or recorder.going:
                raise
            raise RunError(
                f"{last}: not a checkpoint of this run ({error}); remove it to start again"
            ) from error
        except SystemExit as end:  # Lightning's answer to Ctrl-C, and to SIGTERM where nobody else has one
            stopped = end.__context__ if isinstance(end.__context__, KeyboardInterrupt) else SystemExit(143)
        finally:
            turn.release()
    if stopped is not None:
        raise stopped
    load_weights(model, folder / WEIGHTS)
    end_training(model)


def find_device(name: str) -> torch.device:
    """The device that Lightning uses under this name; "auto" is the GPU, if there is one.

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

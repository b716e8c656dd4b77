"""Gradient descent by Lightning: one model, one run folder."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from chainrule._version import __version__
from chainrule.data import Data
from chainrule.data.large.stored import in_memory
from chainrule.engine import end_training
from chainrule.errors import ChainruleError, RunError
from chainrule.models import Model
from chainrule.models.store import load_weights, save_card
from chainrule.randomness import seeded
from chainrule.run_files import LAST, WEIGHTS
from chainrule.training.config import TrainingConfig
from chainrule.training.deterministic import deterministic
from chainrule.training.interrupts import Interrupts
from chainrule.training.launch import run_in_processes
from chainrule.training.loggers import open_loggers
from chainrule.training.quiet import quiet
from chainrule.training.ranks import Ranks
from chainrule.training.session import Session

if TYPE_CHECKING:
    import lightning.pytorch as pl
    from torch.utils.data import DataLoader

    from chainrule.training.module import Likelihood
    from chainrule.training.recorder import Recorder


def descend(session: Session, model: Model, data: Data, config: TrainingConfig) -> None:
    """Gradient descent in a run folder, until the epochs, the patience or the time are spent.

    Args:
        session: where, by how many processes, and what is kept and shown.
        model: gets the best weights at the end, and is in evaluation mode then; a copy is trained.
        data: its training and validation splits are used.
        config: how.

    Raises:
        KeyboardInterrupt: on Ctrl-C, with weights left in the folder.
        SystemExit: 143 on SIGTERM, likewise.
        RunError: if one of several processes was killed.
    """
    if session.ranks.world > 1 and not session.ranks.running:
        run_in_processes(session.ranks, _descend_as, session, model, data, config)
    else:
        # Another thread may sample from the model: until the end it stays as it is.
        with deterministic(session.deterministic):
            stopped = _descend(session, copy.deepcopy(model), data, config)
        if stopped is not None:
            raise stopped
    session.ranks.wait()
    load_weights(model, session.folder / WEIGHTS)
    end_training(model)


def _descend_as(
    ranks: Ranks, session: Session, model: Model, data: Data, config: TrainingConfig
) -> BaseException | None:
    """One of several processes, to which the model comes in memory that they share."""
    shown = session.progress and ranks.first
    with deterministic(session.deterministic):
        return _descend(replace(session, ranks=ranks, progress=shown), copy.deepcopy(model), data, config)


def _descend(session: Session, model: Model, data: Data, config: TrainingConfig) -> BaseException | None:
    """Train the model in place; what stopped it, if it was the user."""
    with quiet():
        from chainrule.training.in_turn import InTurn
        from chainrule.training.module import Likelihood
        from chainrule.training.recorder import Recorder

    train, valid = _loaders(model, data, config, session.ranks)
    order: Any = train.sampler
    in_turn: Any = valid.sampler
    epochs, _ = config.plan(len(data.train))
    recorder, turn = Recorder(session, config, epochs), InTurn()
    if session.ranks.first:
        save_card(model, session.folder, version=__version__)
    model.train()
    if not config.compile:  # a compiled loss looks nothing up
        model.remember(in_memory(data.train), in_memory(data.valid))
    unused, called = (
        _probe(model, train, session.ranks.sharded) if session.ranks.world > 1 else (False, set())
    )
    interrupts = Interrupts()
    wait = session.resumable and session.ranks.world == 1  # several would not be at the end of the same step
    with quiet(), interrupts.caught(wait):
        callbacks = [turn, *_callbacks(session, config, recorder, interrupts)]
        trainer = _trainer(session, config, epochs, unused, callbacks)
        module = Likelihood(model, config, epochs * order.steps, recorder.elapsed, order, in_turn, called)
        try:
            return _run(session, trainer, module, recorder, train, valid)
        finally:
            turn.release()


def _loaders(model: Model, data: Data, config: TrainingConfig, ranks: Ranks) -> tuple[DataLoader, DataLoader]:
    """Batches of the training and the validation split."""
    from chainrule.training.batches import crops, in_order, shuffled

    conds = {split: data.cond(split) if model.conditional else None for split in ("train", "valid")}
    _, passes = config.plan(len(data.train))
    size = config.batch_of(len(data.train))
    if "train" in data.streams:
        more: Any = {"ranks": ranks, "parts": config.validations}
        train = crops(data, size, config.seed, passes, conditional=model.conditional, **more)
    else:
        train = shuffled(data.train, conds["train"], size, config.seed, passes, ranks, config.validations)
    return train, in_order(data.valid, conds["valid"], max(4 * size, 256), ranks)


def _callbacks(
    session: Session, config: TrainingConfig, recorder: Recorder, interrupts: Interrupts
) -> Iterator[pl.Callback]:
    from rich.console import Console

    from chainrule.training.averaging import WeightEMA
    from chainrule.training.keeper import Keeper
    from chainrule.training.progress import ProgressLine

    yield recorder
    if config.ema:
        yield WeightEMA(config.ema)
    if session.progress:
        yield ProgressLine(recorder, Console(stderr=True), session)
    yield from session.callbacks
    yield Keeper(session, recorder, interrupts)


def _trainer(
    session: Session, config: TrainingConfig, epochs: int, unused: bool, callbacks: list[pl.Callback]
) -> pl.Trainer:
    import lightning.pytorch as pl

    from chainrule.training.accelerator import placed
    from chainrule.training.checkpoint import SafetensorsIO

    ranks = session.ranks
    where = {"strategy": _strategy(ranks, unused)} | placed(session.device, ranks.devices)
    return pl.Trainer(
        **where,
        num_nodes=ranks.nodes,
        accumulate_grad_batches=ranks.accumulate,
        use_distributed_sampler=False,
        precision=config.lightning_precision(session.device),
        max_epochs=epochs,
        gradient_clip_val=config.clip or None,
        callbacks=callbacks,
        plugins=[SafetensorsIO(), ranks.environment()],
        default_root_dir=session.folder,
        logger=open_loggers(session.loggers, session.folder) or False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _strategy(ranks: Ranks, unused: bool) -> Any:
    if ranks.world == 1:
        return "auto"
    if ranks.sharded:
        from chainrule.training.sharding import Sharded

        return Sharded(ranks.world)
    from lightning.pytorch.strategies import DDPStrategy

    return DDPStrategy(find_unused_parameters=unused, broadcast_buffers=False)


def _probe(model: Model, train: DataLoader, sharded: bool) -> tuple[bool, set[nn.Module]]:
    """Whether the loss has no gradient for some weights, which costs a search in each step; or what it calls."""
    weights = [p for p in model.parameters() if p.requires_grad]
    with _calls() as called, seeded(0), torch.set_grad_enabled(not sharded):
        loss = model.loss(*train.dataset[[0]]).mean()
    with _calls() as again, seeded(0), torch.no_grad():
        model.eval().valid_loss(*train.dataset[[0]])
    model.train()
    if sharded:
        return False, called & again
    return any(grad is None for grad in torch.autograd.grad(loss, weights, allow_unused=True)), set()


@contextlib.contextmanager
def _calls() -> Iterator[set[nn.Module]]:
    """The modules that are called."""
    called: set[nn.Module] = set()
    hook = register_module_forward_pre_hook(lambda module, given: called.add(module))
    try:
        yield called
    finally:
        hook.remove()


def _run(
    session: Session,
    trainer: pl.Trainer,
    module: Likelihood,
    recorder: Recorder,
    train: DataLoader,
    valid: DataLoader,
) -> BaseException | None:
    """Train; what stopped it, if it was the user."""
    last = session.folder / LAST
    resumed = session.resume and last.exists()
    try:
        trainer.fit(module, train, valid, ckpt_path=last if resumed else None)
    except (ChainruleError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if not resumed or recorder.going:
            raise
        raise RunError(f"{last}: not a checkpoint of this run ({error}); remove it to start again") from error
    except SystemExit as end:  # Lightning's answer to Ctrl-C, and to SIGTERM where nobody else has one
        return end.__context__ if isinstance(end.__context__, KeyboardInterrupt) else SystemExit(143)
    return None

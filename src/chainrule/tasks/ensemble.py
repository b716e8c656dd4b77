"""Trained runs put together: one run, whose conditionals are the mean of theirs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from chainrule._version import __version__
from chainrule.errors import ChainruleError
from chainrule.files import atomic_folder
from chainrule.models import Model, create_model, save_model
from chainrule.run_files import TOKENIZER
from chainrule.training import Run
from chainrule.training.folder import write_config

# How items are read: of an ensemble it must be the same for all.
SAME = ("domain", "vocabulary", "rate", "labels", "tokenizer")


def together(models: Sequence[Model]) -> Model:
    """An ensemble of trained models, in evaluation mode; see `chainrule.models.ensemble`.

    Args:
        models: of one domain, made by `create_model`.

    Raises:
        ChainruleError: if there are less than two, their domains differ, one is not in the registry, or they do not go
            together.

    Example:
        >>> import chainrule as cr
        >>> domain = cr.Domain.binary(5)
        >>> pair = [cr.create_model("fvsbn", domain), cr.create_model("made", domain, hidden=[8])]
        >>> together(pair).log_prob(torch.zeros(2, 5, dtype=torch.uint8)).shape
        torch.Size([2])
    """
    if len(models) < 2:
        raise ChainruleError(f"ensemble: expected two models or more, got {len(models)}")
    domains = list(dict.fromkeys(str(model.domain) for model in models))
    if any(model.domain != models[0].domain for model in models):
        raise ChainruleError(f"ensemble: expected models of one domain, got {' and '.join(domains)}")
    if any(model.name is None for model in models):
        raise ChainruleError("ensemble: expected models of the registry, got one that is not")
    members = [{"model": model.name, **model.hyperparameters} for model in models]
    first: Any = models[0]
    found: Any = create_model("ensemble", first.domain, members=members)
    for net, model in zip(found.network.networks, models, strict=True):
        own: Any = model
        net.load_state_dict(own.network.state_dict())
    return found.to(first.dtype).eval()


def ensemble(runs: Sequence[Run], out: str | Path) -> Run:
    """Put runs together and write the ensemble as a run folder, which every verb takes.

    Args:
        runs: of models of one domain, whose data are read alike.
        out: a new folder.

    Raises:
        ChainruleError: as `together`; or if the runs read data differently, or there is something at `out`.
    """
    model = together([run.model for run in runs])
    first = runs[0]
    for run in runs[1:]:
        for key in SAME:
            if run.config.get(key) != first.config.get(key):
                raise ChainruleError(f"ensemble: {key}: expected the same in {first.name} and {run.name}")
    config = {
        "chainrule": __version__,
        "torch": str(torch.__version__),
        "model": model.name,
        "hyperparameters": model.hyperparameters,
        **{key: first.config[key] for key in ("data", *SAME, "carried") if key in first.config},
    }
    with atomic_folder(out) as folder:
        write_config(folder, config)
        save_model(model, folder, version=__version__)
        if first.folder is not None and first.config.get("tokenizer"):
            shutil.copyfile(first.folder / TOKENIZER, folder / TOKENIZER)
    return Run.open(out)

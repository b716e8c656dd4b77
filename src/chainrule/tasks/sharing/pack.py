"""A run folder → one file for others."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import torch

from chainrule._version import __version__
from chainrule.data import Data
from chainrule.errors import RunError
from chainrule.files import scratch, write_text
from chainrule.models import save_model
from chainrule.models.base.capabilities import Bounded, Exact
from chainrule.portable import write_package
from chainrule.run_files import ABOUT, METRICS, NUMBERS
from chainrule.tasks.sharing.card import card_of
from chainrule.tasks.sharing.numbers import measure, numbers_text
from chainrule.tasks.sharing.reference import write_reference
from chainrule.training import Run
from chainrule.training.folder import write_config


def pack(
    run: Run,
    path: str | Path,
    data: Data | None = None,
    *,
    half: bool = False,
    samples: int = 1,
    about: str = "",
    licence: str | None = None,
) -> dict[str, Any] | None:
    """Write a run into one file, with its numbers, scores of held-out items and a card; without its training data.

    Its path in this machine's folders is left out, its checksum stays.

    Args:
        run: as opened.
        path: of the file, `NAME.chainrule`.
        data: that it was trained on; without, there are no numbers and no scores.
        half: whether weights are rounded to bfloat16: half the size. What is measured is the rounded model.
        samples: see `measure`.
        about, licence: see `card_of`.

    Returns:
        The numbers, as `measure` has them; None without data.

    Raises:
        RunError: if the model is not in the registry, so that no one else could build it.
        ChainruleError: if the file cannot be written, or the data do not fit the model.
    """
    if run.model.name is None or run.folder is None:
        raise RunError(f"{run.name}: expected a kept run of a registered model, which others can build")
    if half:
        _round(run.model)
    shown = copy(run)
    shown.config = {**run.config, "data": portable_data(run.config.get("data"))}
    numbers = None
    with scratch() as folder:
        save_model(run.model, folder, version=__version__)
        write_config(folder, shown.config)
        if (run.folder / METRICS).is_file():
            (folder / METRICS).write_bytes((run.folder / METRICS).read_bytes())
        if data is not None and isinstance(run.model, Exact | Bounded):
            numbers = measure(run, data, samples=samples)
            write_text(folder / NUMBERS, numbers_text(numbers))
            write_reference(run.model, data, folder)
        write_text(folder / ABOUT, card_of(shown, numbers, about, licence))
        write_package(folder, Path(path), half=half)
    return numbers


def portable_data(data: Any) -> Any:
    """Where data came from, without the folder they lay in, which says more of its owner than of the data."""
    if not isinstance(data, dict) or "checksum" not in data:
        return data
    return {**data, "source": Path(data["source"]).name}


@torch.no_grad()
def _round(model: torch.nn.Module) -> None:
    for tensor in model.state_dict().values():
        if tensor.dtype == torch.float32:
            tensor.copy_(tensor.bfloat16())

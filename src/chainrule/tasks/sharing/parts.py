"""A run folder → one file for others."""

from __future__ import annotations

import os
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import torch

from chainrule._version import __version__
from chainrule.data import Data
from chainrule.errors import RunError
from chainrule.files import scratch, write_text
from chainrule.models import Model, save_model
from chainrule.models.base.capabilities import Bounded, Exact
from chainrule.models.store import read_json
from chainrule.portable import write_package
from chainrule.run_files import ABOUT, METRICS, NUMBERS, REFERENCE, TOKENIZER
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
        data: that it was trained on; without, there are no numbers and no scores but those of a packed run.
        half: whether weights are rounded to bfloat16: half the size. What is measured is the rounded model.
        samples: see `measure`.
        about, licence: see `card_of`.

    Returns:
        The numbers, as `measure` has them; None where there are none.

    Raises:
        RunError: if the model is not in the registry, so that no one else could build it.
        ChainruleError: if the file cannot be written, or the data do not fit the model.
    """
    with scratch() as folder:
        numbers = write_parts(run, folder, data, half=half, samples=samples, about=about, licence=licence)
        write_package(folder, Path(path), half=half)
    return numbers


def write_parts(
    run: Run,
    folder: Path,
    data: Data | None,
    *,
    half: bool = False,
    samples: int = 1,
    about: str = "",
    licence: str | None = None,
) -> dict[str, Any] | None:
    """Write what others need of a run into a folder; see `pack`."""
    if run.model.name is None:
        raise RunError(f"{run.name}: expected a run of a registered model, which others can build")
    shown = copy(run)
    shown.config = portable_config(run.config)
    if half:
        shown.model = _rounded(run.model)
    save_model(shown.model, folder, version=__version__)
    write_config(folder, shown.config)
    # What was measured before, of the same weights, goes along where it is not measured now.
    kept = (METRICS, TOKENIZER, *(() if data is not None or half else (NUMBERS, REFERENCE, ABOUT)))
    for path in [run.folder / name for name in kept] if run.folder else ():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    numbers = read_json(folder / NUMBERS) if (folder / NUMBERS).is_file() else None
    if data is not None and isinstance(run.model, Exact | Bounded):
        numbers = measure(shown, data, samples=samples)
        write_text(folder / NUMBERS, numbers_text(numbers))
        write_reference(shown.model, data, folder)
    if about or licence or not (folder / ABOUT).is_file():
        write_text(folder / ABOUT, card_of(shown, numbers, about, licence))
    return numbers


def portable_config(config: dict[str, Any]) -> dict[str, Any]:
    """A run's configuration without folders of this machine, which say more of its owner than of the run.

    What was read from files keeps its name and its checksum.
    """
    shown = deepcopy(config)
    shown["data"] = shown.get("data") or {}
    for place, key in (
        (shown["data"], "source"),
        (shown.get("pretrained") or {}, "source"),
        (shown, "start"),
    ):
        if os.path.isabs(str(place.get(key, ""))):
            place[key] = Path(place[key]).name
    return shown


@torch.no_grad()
def _rounded(model: Model) -> Model:
    model = deepcopy(model)
    for tensor in model.state_dict().values():
        if tensor.dtype == torch.float32:
            tensor.copy_(tensor.bfloat16())
    return model

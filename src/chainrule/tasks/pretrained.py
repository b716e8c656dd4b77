"""A published model as a run folder, which every verb takes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch

from chainrule._version import __version__
from chainrule.data.fingerprint import checksum
from chainrule.data.tokens import Tokens
from chainrule.errors import ChainruleError
from chainrule.files import atomic_folder, write_text
from chainrule.hub import PREFIX
from chainrule.importers import Pretrained, read_pretrained
from chainrule.models import save_model
from chainrule.run_files import TOKENIZER
from chainrule.training import Run
from chainrule.training.folder import write_config


class Imported(NamedTuple):
    """A run made of a published model.

    Attributes:
        run: the folder, opened.
        tokens: how texts are read; None without a tokenizer that is understood.
        why: it is not understood, in words; "" if there is none or it is.
    """

    run: Run
    tokens: Tokens | None
    why: str


def import_pretrained(
    source: str | Path,
    out: str | Path,
    *,
    length: int | None = None,
    start: int | None = None,
    size: tuple[int, int] | None = None,
) -> Imported:
    """Read a published model and write it as a run folder; see `chainrule.importers.read_pretrained`.

    A tokenizer beside the model is kept in the run, which then takes texts. Of a kind that gives no bytes back exactly
    it is left out: the run's items are numbers of tokens.

    Args:
        source, length, start, size: as for `read_pretrained`.
        out: a new folder.

    Raises:
        ChainruleError: as `read_pretrained`; or if there is something at `out`, or the tokenizer has more tokens than
            the model.
    """
    found = read_pretrained(source, length=length, start=start, size=size)
    tokens, why = _tokens(found)
    model = found.model
    config = {
        "chainrule": __version__,
        "torch": str(torch.__version__),
        "model": model.name,
        "hyperparameters": dict(model.hyperparameters),
        "domain": str(model.domain),
        "pretrained": {"source": _place(source), "checksum": _checksum(found)},
        "tokenizer": None if tokens is None else tokens.checksum,
    }
    with atomic_folder(out) as folder:
        write_config(folder, config)
        save_model(model, folder, version=__version__)
        if tokens is not None:
            write_text(folder / TOKENIZER, tokens.description)
    return Imported(Run.open(out), tokens, why)


def _place(source: str | Path) -> str:
    """The source as seen from any folder."""
    return str(source) if str(source).startswith(PREFIX) else str(Path(source).expanduser().absolute())


def _tokens(found: Pretrained) -> tuple[Tokens | None, str]:
    """The tokenizer, and why there is none.

    Raises:
        ChainruleError: if it has more tokens than the model.
    """
    if found.tokenizer is None or found.model.domain.layout != "sequence":
        return None, ""
    try:
        tokens = Tokens.read(found.tokenizer)
    except ChainruleError as error:
        return None, str(error)
    levels = found.model.domain.max_levels
    if tokens.size > levels:
        raise ChainruleError(
            f"{found.tokenizer}: expected at most the {levels} tokens of the model, got {tokens.size}"
        )
    return tokens, ""


def _checksum(found: Pretrained) -> str:
    """The SHA-256 of a list of the files, each with its name and its own."""
    whole = hashlib.sha256()
    for file in found.files:
        whole.update(f"{checksum(file)} {file.name}\n".encode())
    return f"sha256:{whole.hexdigest()}"

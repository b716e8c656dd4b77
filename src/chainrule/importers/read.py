"""`read_pretrained`: a published language model as one of the library's, with its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.importers.folder import CHECKPOINT, CONFIG, TOKENIZER, checkpoint_of, config_of, weights_of
from chainrule.importers.gpt2 import gpt2
from chainrule.importers.imagegpt import imagegpt
from chainrule.importers.llama import llama
from chainrule.importers.nanogpt import nanogpt
from chainrule.importers.plan import Plan
from chainrule.models import Model

ARCHITECTURES: dict[str, Callable[..., Plan]] = {"gpt2": gpt2, "imagegpt": imagegpt, "llama": llama}


@dataclass(frozen=True)
class Pretrained:
    """A published model.

    Attributes:
        model: in evaluation mode, in single precision.
        tokenizer: the file of its tokens, if there is one.
        files: what was read.
    """

    model: Model
    tokenizer: Path | None
    files: tuple[Path, ...]


def from_pretrained(source: str | Path, *, length: int | None = None, start: int | None = None) -> Model:
    """The model alone that `read_pretrained` reads, which documents the arguments and the errors.

    Example:
        >>> model = from_pretrained("models/gpt2", length=256)  # doctest: +SKIP
        >>> model.sample(2, temperature=0.8).shape  # doctest: +SKIP
        torch.Size([2, 256])
    """
    return read_pretrained(source, length=length, start=start).model


def read_pretrained(source: str | Path, *, length: int | None = None, start: int | None = None) -> Pretrained:
    """Read a published model: GPT-2, Llama or ImageGPT as transformers keeps them, or a checkpoint of nanoGPT.

    Its conditionals are the source's: p(x_1) is what the source gives after the token `start` alone, and p(x_t | x_<t)
    what it gives after that token and x_<t. Nothing of the files is run or unpickled but tensors and plain values, and
    shapes are compared with the configuration before memory is taken.

    Args:
        source: a folder with config.json and model.safetensors (or its parts, or pytorch_model.bin); or ckpt.pt, the
            folder it is in, or the same as .safetensors with `model_args` as JSON in its metadata.
        length: tokens of the window; by default as many as the source has positions.
        start: the token that stands before the first one; by default the begin-of-text token of the configuration.

    Returns:
        The model, and where its tokenizer lies.

    Raises:
        ChainruleError: if there is no such model, it is of another architecture, an option changes what is computed and
            is not known, or tensors are missing, unknown, quantised or of other shapes.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise ChainruleError(f"{path}: no such file or folder")
    options: dict[str, Any] = {"length": length, "start": start}
    folder = path if path.is_dir() else path.parent
    configs: tuple[Path, ...] = ()
    if path.is_dir() and not (path / CONFIG).is_file():
        if not (path / CHECKPOINT).is_file():
            raise ChainruleError(f"{path}: expected {CONFIG} or {CHECKPOINT}, found neither")
        path = path / CHECKPOINT
    if path.is_dir():
        config = config_of(path)
        plan = config.one_of("model_type", ARCHITECTURES, None)(config, **options)
        weights, configs = weights_of(path), (path / CONFIG,)
    else:
        config, weights = checkpoint_of(path)
        plan = nanogpt(config, **options)
    tokenizer = folder / TOKENIZER if (folder / TOKENIZER).is_file() else None
    return Pretrained(plan.build(weights), tokenizer, (*configs, *weights.paths))

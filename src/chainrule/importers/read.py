"""`read_pretrained`: a published language model as one of the library's, with its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from chainrule import hub
from chainrule.errors import ChainruleError
from chainrule.importers.folder import (
    CHECKPOINT,
    CONFIG,
    INDEX,
    PICKLED,
    SAFE,
    TOKENIZER,
    checkpoint_of,
    config_of,
    state_of,
    weights_of,
)
from chainrule.importers.gpt2 import gpt2
from chainrule.importers.imagegpt import imagegpt
from chainrule.importers.llama import llama
from chainrule.importers.nanogpt import nanogpt
from chainrule.importers.pixelcnn_plus_plus import pixelcnn_plus_plus
from chainrule.importers.plan import Plan
from chainrule.models import Model

ARCHITECTURES: dict[str, Callable[..., Plan]] = {"gpt2": gpt2, "imagegpt": imagegpt, "llama": llama}

# What is fetched of a repository of the hub.
PUBLISHED = (CONFIG, SAFE, "model-*.safetensors", INDEX, PICKLED, TOKENIZER)


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


def from_pretrained(
    source: str | Path,
    *,
    length: int | None = None,
    start: int | None = None,
    size: tuple[int, int] | None = None,
) -> Model:
    """The model alone that `read_pretrained` reads, which documents the arguments and the errors.

    Example:
        >>> model = from_pretrained("models/gpt2", length=256)  # doctest: +SKIP
        >>> model.sample(2, temperature=0.8).shape  # doctest: +SKIP
        torch.Size([2, 256])
    """
    return read_pretrained(source, length=length, start=start, size=size).model


def read_pretrained(
    source: str | Path,
    *,
    length: int | None = None,
    start: int | None = None,
    size: tuple[int, int] | None = None,
) -> Pretrained:
    """Read a published model: GPT-2, Llama or ImageGPT as transformers keeps them, nanoGPT, or PixelCNN++.

    Its conditionals are the source's: p(x_1) is what the source gives after the token `start` alone, and p(x_t | x_<t)
    what it gives after that token and x_<t. Nothing of the files is run or unpickled but tensors and plain values, and
    shapes are compared with the configuration before memory is taken.

    Args:
        source: a folder with config.json and model.safetensors (or its parts, or pytorch_model.bin); or ckpt.pt, the
            folder it is in, or the same as .safetensors with `model_args` as JSON in its metadata; or the weights of a
            PixelCNN++, a .pth or .safetensors of the common port to PyTorch or an .npz of its authors' variables; or
            "hf://USER/NAME", such a folder on the hub.
        length: tokens of the window; by default as many as the source has positions.
        start: the token that stands before the first one; by default the begin-of-text token of the configuration.
        size: height and width of the images of a PixelCNN++; by default 32 × 32, or 28 × 28 with one colour.

    Returns:
        The model, and where its tokenizer lies.

    Raises:
        ChainruleError: if there is no such model, it is of another architecture, an option changes what is computed and
            is not known, or tensors are missing, unknown, quantised or of other shapes.
    """
    if str(source).startswith(hub.PREFIX):
        source = hub.fetch(str(source), PUBLISHED)
    path = Path(source).expanduser()
    if not path.exists():
        raise ChainruleError(f"{path}: no such file or folder")
    if path.is_file() and (state := state_of(path)) is not None:
        return Pretrained(_image_model(path, state, length, start, size), None, (path,))
    if size is not None:
        raise ChainruleError(f"{path}: size: expected none, only weights of PixelCNN++ do not say theirs")
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


def _image_model(
    path: Path, state: dict[str, Tensor], length: int | None, start: int | None, size: tuple[int, int] | None
) -> Model:
    if length is not None or start is not None:
        raise ChainruleError(f"{path}: length, start: expected none for images")
    height, width = size or (None, None)
    try:
        return pixelcnn_plus_plus(state, height=height, width=width)
    except ChainruleError as error:
        raise ChainruleError(f"{path}: {error}") from error

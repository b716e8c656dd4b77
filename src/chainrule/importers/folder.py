"""Where a published model lies: a folder of the hub, or a checkpoint of nanoGPT."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.files import read_text
from chainrule.importers.nanogpt import COMPILED
from chainrule.importers.pixelcnn_plus_plus import is_pixelcnn_plus_plus
from chainrule.importers.settings import Settings
from chainrule.importers.weights import LoadedWeights, SafeWeights, Weights, load_pickled

CONFIG, SAFE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLED, CHECKPOINT, TOKENIZER = "pytorch_model.bin", "ckpt.pt", "tokenizer.json"
MOST_RATIO = 16  # of the size of arrays and that of their file
MOST_BYTES = 2**26  # of a JSON file: an index of many tensors is long


def config_of(folder: Path) -> Settings:
    """The configuration of a folder of the hub.

    Raises:
        ChainruleError: if there is none, or it is no JSON object, or one of quantised weights.
    """
    config = Settings(str(folder / CONFIG), read_object(folder / CONFIG))
    config.only(quantization_config=None)
    return config


def weights_of(folder: Path) -> Weights:
    """The tensors of a folder of the hub: safetensors if there are any, in one file or several; else what torch wrote.

    Raises:
        ChainruleError: if there are none, or a file is missing or damaged.
    """
    if (folder / SAFE).is_file():
        return SafeWeights([folder / SAFE])
    if (folder / INDEX).is_file():
        files = read_object(folder / INDEX).get("weight_map")
        if not isinstance(files, dict) or not files or not all(map(_is_name, files.values())):
            raise ChainruleError(f"{folder / INDEX}: weight_map: expected names of files in the same folder")
        return SafeWeights([folder / name for name in sorted(set(files.values()))])
    if (folder / PICKLED).is_file():
        return LoadedWeights(folder / PICKLED, load_pickled(folder / PICKLED))
    raise ChainruleError(f"{folder}: expected {SAFE}, {INDEX} or {PICKLED}, found none of them")


def state_of(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file with the weights of a PixelCNN++; None if their names are others.

    Raises:
        ChainruleError: if it is not a file of tensors.
    """
    found: Any
    if path.suffix == ".npz":
        found = _arrays(path)
    elif path.suffix == ".safetensors":
        safe = SafeWeights([path])
        found = {name: safe.read(name) for name in safe.shapes} if is_pixelcnn_plus_plus(safe.shapes) else {}
    else:
        found = load_pickled(path)
    return dict(found) if isinstance(found, Mapping) and is_pixelcnn_plus_plus(found) else None


def _arrays(path: Path) -> dict[str, Tensor]:
    """The numbers in a file of NumPy, which take little more memory than the file is long."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST_RATIO * path.stat().st_size:
                raise ValueError("expected weights, which can hardly be compressed")
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(file[name]) for name in file}
    except Exception as error:  # whatever a damaged file makes the readers of zip and NumPy raise
        raise ChainruleError(f"{path}: not a readable file of arrays ({error})") from error


def checkpoint_of(path: Path) -> tuple[Settings, Weights]:
    """The configuration and the tensors of a nanoGPT: a checkpoint, or safetensors whose metadata has `model_args`.

    Raises:
        ChainruleError: if it is neither.
    """
    weights: Weights
    if path.suffix == ".safetensors":
        safe = SafeWeights([path])
        args, weights = _parsed(safe.metadata.get("model_args", "null"), path), safe
    else:
        loaded = load_pickled(path)
        args = loaded.get("model_args") if isinstance(loaded, Mapping) else None
        tensors: Any = loaded.get("model") if isinstance(loaded, Mapping) else None
        if isinstance(tensors, Mapping):
            tensors = {str(name).removeprefix(COMPILED): tensor for name, tensor in tensors.items()}
        weights = LoadedWeights(path, tensors)
    if not isinstance(args, dict):
        raise ChainruleError(f"{path}: model_args: expected a dictionary, as nanoGPT writes it, got {args!r}")
    return Settings(f"{path}: model_args", args), weights


def read_object(path: Path) -> dict:
    """A JSON object.

    Raises:
        ChainruleError: if there is none.
    """
    try:
        found = _parsed(read_text(path, MOST_BYTES), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ChainruleError(f"{path}: not readable ({error})") from error
    if not isinstance(found, dict):
        raise ChainruleError(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChainruleError(f"{path}: not valid JSON ({error})") from error


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors")

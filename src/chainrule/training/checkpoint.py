"""Lightning checkpoints without pickle: tensors in safetensors, the rest as JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError
from torch import Tensor

from chainrule.errors import RunError
from chainrule.models.store import write_tensors


class SafetensorsIO(CheckpointIO):
    """Writes a checkpoint whole or not at all, and reads nothing but numbers, strings and tensors."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a tree of dicts, lists, tuples, tensors and JSON values."""
        tensors: dict[str, Tensor] = {}
        tree = json.dumps(_pack(checkpoint, tensors))
        write_tensors(tensors, path, {"tree": tree})

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read it back.

        Raises:
            RunError: if the file is corrupt.
        """
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                names = file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
                return _unpack(json.loads(file.metadata()["tree"]), tensors)
        # A tree that `_pack` did not write fails in one of these ways.
        except (SafetensorError, OSError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise RunError(
                f"{path}: not a readable checkpoint ({error}); remove it to start again"
            ) from error

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete the file."""
        Path(path).unlink(missing_ok=True)


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """As JSON: a tensor becomes its name, a dict a list of pairs (keys may be integers)."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_pack(v, tensors) for v in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"checkpoint: expected numbers, strings, tensors and their containers, got {type(value).__name__}"
    )


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
    items = [_unpack(v, tensors) for v in content]
    return tuple(items) if kind == "tuple" else items

"""The tensors of a published model: their shapes first, their numbers once these are right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from chainrule.errors import ChainruleError

PICKLED = (".bin", ".pt", ".pth")


class Weights(ABC):
    """Tensors by name.

    Attributes:
        where: the file or the folder, for messages.
        paths: the files.
        shapes: of all of them.
    """

    where: str
    paths: tuple[Path, ...]
    shapes: dict[str, tuple[int, ...]]

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """The numbers of one."""


class SafeWeights(Weights):
    """Tensors of safetensors files: of a file only its header is read until a tensor is asked for.

    Args:
        paths: of the files.

    Raises:
        ChainruleError: if one is missing or damaged, or a name is in two of them.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.where = str(paths[0] if len(paths) == 1 else paths[0].parent)
        self.shapes, self._files, self.metadata = {}, dict[str, Any](), dict[str, str]()
        for path in paths:
            try:
                file: Any = ExitStack().enter_context(safe_open(path, "pt"))
                names = list(file.keys())
                self.shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in names}
                self.metadata |= file.metadata() or {}
            except (SafetensorError, OSError, ValueError) as error:
                raise ChainruleError(f"{path}: not a readable safetensors file ({error})") from error
            if twice := self._files.keys() & set(names):
                raise ChainruleError(f"{path}: {min(twice)}: expected each tensor in one file, got it again")
            self._files |= dict.fromkeys(names, file)

    def read(self, name: str) -> Tensor:
        """The numbers of one."""
        return self._files[name].get_tensor(name)


class LoadedWeights(Weights):
    """Tensors of a mapping.

    Args:
        path: the file.
        tensors: by name; what else is in the mapping is refused.

    Raises:
        ChainruleError: if it is no mapping of tensors.
    """

    def __init__(self, path: Path, tensors: Any) -> None:
        if not isinstance(tensors, Mapping) or not all(
            isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
        ):
            raise ChainruleError(f"{path}: expected tensors by name, got {type(tensors).__name__}")
        self.where, self.paths, self._tensors = str(path), (path,), dict(tensors)
        self.shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}

    def read(self, name: str) -> Tensor:
        """The numbers of one."""
        return self._tensors[name]


def load_pickled(path: Path) -> Any:
    """The content of a file of torch, as far as it is tensors and plain values: nothing else is ever unpickled.

    Numbers stay in the file until they are read, so that a file takes no more memory than it is long.

    Raises:
        ChainruleError: if there is anything else in it, or it is damaged or of before torch 1.6.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever a damaged file makes torch's reader raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ChainruleError(f"{path}: not a readable file of tensors and plain values ({said})") from error

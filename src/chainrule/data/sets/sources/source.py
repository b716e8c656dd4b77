"""Where a named set comes from, and the proof that what was made of it is the set: the digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.raw import reading

# What a file of the data folder is made of: arrays for .npz, pixels (H, W, 3) for .png, bytes for any other.
Content = Mapping[str, np.ndarray] | np.ndarray | bytes


@dataclass(frozen=True)
class Download:
    """A public file.

    Attributes:
        url: where it is.
        bytes: its size; without a digest approximate, and the file may be twice as large.
        sha256: its digest; None where the same content may be packed in other bytes from day to day.
    """

    url: str
    bytes: int
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def most(self) -> int:
        """Bytes beyond which it is not read."""
        return self.bytes if self.sha256 else 2 * self.bytes


@dataclass(frozen=True)
class Source:
    """How to make the files of a named set.

    Attributes:
        licence: in a few words.
        downloads: the public files.
        make: from their paths, in order, to file of the data folder → content.
        contents: file → `content_digest`; for a file that is not here, the SHA-256 of the bytes is the proof.
    """

    licence: str
    downloads: Sequence[Download]
    make: Callable[[Sequence[Path]], Mapping[str, Content]]
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The size of all downloads together."""
        return sum(download.bytes for download in self.downloads)


def content_digest(path: Path) -> str:
    """SHA-256 of what a file holds, however it is packed: names, types, shapes and values of .npz, pixels of .png.

    Raises:
        DataError: if it is neither, or damaged.
    """
    digest = hashlib.sha256()
    with reading(str(path)):
        for name, array in sorted(_arrays(path).items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_content(path: Path, content: Content) -> None:
    """Write a file of the data folder, packed by its suffix."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        from PIL import Image  # slow to import, and only needed here

        Image.fromarray(content).save(path)
    else:
        with path.open("wb") as stream:
            np.savez_compressed(stream, **dict[str, Any](content))


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    if path.suffix == ".png":
        from PIL import Image

        with Image.open(path, formats=["PNG"]) as image:
            return {"pixels": np.asarray(image.convert("RGB"))}
    with np.load(path, allow_pickle=False) as file:
        return dict(file)

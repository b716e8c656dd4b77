"""Pictures that stay in their files, or in tar shards, and are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from chainrule.data.large.stored import Stored
from chainrule.data.notes import Notes, counted
from chainrule.data.readers.opened import opened
from chainrule.data.readers.stack import Pictures, stack_images
from chainrule.data.readers.view import View
from chainrule.data.reading import Reading
from chainrule.domain import Domain
from chainrule.errors import DataError

LOOKED_AT = 500  # pictures from which size and mode are found
GREY = "of colours, made grey"  # what `View` counts


@dataclass(frozen=True)
class Encoded:
    """Where an encoded picture is.

    Attributes:
        path: of its file, or of the archive.
        name: for messages; empty for the path.
        start, size: its bytes in the archive; a size of 0 for a file of its own.
    """

    path: str
    name: str = ""
    start: int = 0
    size: int = 0

    def __str__(self) -> str:
        return self.name or self.path

    def open(self) -> Path | BytesIO:
        """What Pillow opens."""
        if not self.size:
            return Path(self.path)
        with open(self.path, "rb") as archive:
            archive.seek(self.start)
            return BytesIO(archive.read(self.size))


class Decoder:
    """Encoded pictures → levels (C, H, W) of a domain that was found from others.

    Args:
        how: size, fit, mode and background.
        domain: of all.
    """

    def __init__(self, how: Reading, domain: Domain) -> None:
        self.how, self.domain = replace(how, domain=domain), domain
        self.dtype = torch.uint8 if domain.max_levels <= 256 else torch.int32

    def __call__(self, name: str, file: Path | BytesIO) -> Tensor:
        """Decode one.

        Raises:
            DataError: if it cannot be read, is of another size, or shows colours among grey ones.
        """
        view = View(self.how, self.how.mode)
        with opened(name, file, view.remarks) as image:
            shades = view(name, image).transpose(2, 0, 1)
        channels, height, width = self.domain.event_shape
        if shades.shape[1:] != (height, width):
            raise DataError(
                f"{name}: expected {height}x{width} pixels (height x width) as the others have, got "
                f"{shades.shape[1]}x{shades.shape[2]}; bring all to one size with --size"
            )
        if self.how.mode is None and view.changed[GREY]:
            raise DataError(
                f"{name}: expected grey as in the pictures that were looked at first, got colours; say which with "
                "--mode RGB or --mode L"
            )
        x = torch.tensor(shades.astype(np.uint8 if self.dtype is torch.uint8 else np.int32))
        return x.expand(channels, -1, -1)


class StoredPictures(Stored):
    """Pictures (N, C, H, W), as levels of their domain.

    Args:
        pictures: where they are.
        how: size, fit, mode and background.
        domain: of all.
    """

    def __init__(self, pictures: Sequence[Encoded], how: Reading, domain: Domain) -> None:
        self.pictures, self.decoder = pictures, Decoder(how, domain)
        self.shape, self.dtype = torch.Size([len(pictures), *domain.event_shape]), self.decoder.dtype

    def read(self, index: np.ndarray) -> Tensor:
        """The pictures at these places; see `Decoder`."""
        x = torch.empty(len(index), *self.shape[1:], dtype=self.dtype)
        for k, place in enumerate(index.tolist()):
            picture = self.pictures[place]
            x[k] = self.decoder(str(picture), picture.open())
        return x


def look_at(where: str, pictures: Sequence[Encoded], how: Reading, notes: Notes) -> Domain:
    """What pictures are, by some of them; all others must be alike.

    Raises:
        DataError: if these cannot be read, or differ in size.
    """
    places = np.unique(np.linspace(0, len(pictures) - 1, LOOKED_AT).astype(int)).tolist()
    looked = [pictures[place] for place in places]
    domain = look_at_some(where, lambda: ((str(picture), picture.open()) for picture in looked), how, notes)
    notes.found.insert(
        0,
        f"{counted(len(pictures), 'picture')}, read when they are asked for; of {len(looked):,} that were looked at:",
    )
    return domain


def look_at_some(where: str, pictures: Callable[[], Pictures], how: Reading, notes: Notes) -> Domain:
    """What these pictures are, of which others will be asked for.

    Raises:
        DataError: as `look_at`.
    """
    if how.frames == "all":
        raise DataError(f"{where}: frames: expected the first of each picture that is read in parts, got all")
    domain = stack_images(where, pictures, how, notes).domain
    return how.domain if how.domain is not None and how.domain.layout == "image" else domain

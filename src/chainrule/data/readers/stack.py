"""Encoded pictures → one array, and what was found and changed on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np

from chainrule.data.limits import check_size
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.readers.opened import depth_of, format_of, frames_of, opened
from chainrule.data.readers.view import View, levels_of
from chainrule.data.reading import Reading
from chainrule.domain import Domain
from chainrule.errors import DataError

OPTIONS = ("size", "fit", "mode", "background", "frames")  # of `Reading`, for pictures
# A name for messages, and where the encoded picture is.
Pictures = Iterator[tuple[str, Path | BytesIO]]


@dataclass
class Stack:
    """Pictures of one size.

    Attributes:
        pixels: (N, C, H, W), uint8 or what holds the levels; one channel if all are grey by their pixels.
        domain: what they are by their modes, if no other is known.
        of: (N,), the place of the file that each is a frame of.
    """

    pixels: np.ndarray
    domain: Domain
    of: np.ndarray

    def parts(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Split → the pictures of its files; and (n,), the places of their files in the split."""
        start = 0
        for split, size in sizes.items():
            own = slice(*np.searchsorted(self.of, [start, start + size]))
            yield split, self.pixels[own], self.of[own] - start
            start += size


def frame_names(names: Sequence[str], of: np.ndarray) -> list[str]:
    """The name of each picture: of its file, and which frame of several."""
    first, counts = np.searchsorted(of, of), np.bincount(of)
    return [
        names[place] if counts[place] == 1 else f"{names[place]} frame {k - start + 1}"
        for k, (place, start) in enumerate(zip(of, first, strict=True))
    ]


@dataclass
class _Headers:
    """What the headers say: read first, so that nothing is allocated for what cannot be."""

    formats: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    depths: set[int] = field(default_factory=set)
    modes: set[str] = field(default_factory=set)
    frames: list[int] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    pixels: int = 0

    def add(self, name: str, file: Path | BytesIO, how: Reading) -> None:
        with opened(name, file) as image:
            frames = frames_of(image)
            self.formats[format_of(image)] += 1
            self.sizes[image.height, image.width] += 1
            self.depths.add(depth_of(image))
            self.modes.add(image.mode)
        if how.frames != "all" and frames > 1:
            self.left_out.append(frames - 1)
            frames = 1
        self.frames.append(frames)
        height, width = how.size or (image.height, image.width)
        self.pixels += frames * height * width

    def describe(self, notes: Notes) -> str:
        """The number of pictures, their formats and sizes."""
        if self.left_out:
            notes.ignored.append(
                f"{counted(sum(self.left_out), 'frame')} after the first of "
                f"{counted(len(self.left_out), 'picture')}; --frames all reads them"
            )
        formats = ", ".join(f"{n:,} {name}" for name, n in self.formats.most_common())
        sizes = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        sized = _size(sizes[0])
        if len(sizes) > 1:
            sized = f"of {len(sizes):,} sizes, {sized} to {_size(sizes[-1])}"
        more = sum(self.frames) - len(self.frames)
        frames = f", {counted(sum(self.frames), 'frame')}" if more else ""
        return f"{counted(len(self.frames), 'picture')}{frames}: {formats}; {sized} (height x width)"


def stack_images(where: str, pictures: Callable[[], Pictures], how: Reading, notes: Notes) -> Stack:
    """Decode pictures and bring them to one size, mode and depth.

    Args:
        where: they come from.
        pictures: called twice, first for the headers, then for the pixels.
        how: size, fit, mode, background and frames; and the domain, which says the size, the channels and the levels
            if it is known.
        notes: records what was found, ignored and changed.

    Raises:
        DataError: naming the picture that is unreadable, too large, or of another depth or size.
    """
    headers = _Headers()
    for name, file in pictures():
        headers.add(name, file, how)
    black_and_white = how.mode is None and how.domain is None and headers.depths == {1}
    view = View(how, "1" if black_and_white else how.mode)
    channels = 1 if view.mode in ("1", "L", "I;16") or headers.modes <= {"1", "L"} else 4
    check_size(f"{where}: {counted(sum(headers.frames), 'picture')}", headers.pixels * channels)
    pixels: np.ndarray = np.empty(0)
    at, expected, first = 0, _expected(how), ""
    for (name, file), frames in zip(pictures(), headers.frames, strict=True):
        with opened(name, file, view.remarks) as image:
            for frame in range(frames):
                if frame:
                    image.seek(frame)
                shades = view(name if frames == 1 else f"{name}: frame {frame + 1}", image)
                height, width = shades.shape[:2]
                expected, first = expected or (height, width), first or name
                _check_size(name, (height, width), expected, how, first)
                if not at:
                    pixels = np.empty((sum(headers.frames), *shades.shape), shades.dtype)
                if shades.shape[2] > pixels.shape[3]:  # all were grey so far
                    pixels = np.repeat(pixels, 3, axis=3)
                pixels[at], at = shades, at + 1
    grey = pixels.shape[3] == 1
    mode = view.mode or {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[3]]
    notes.found.insert(0, f"{headers.describe(notes)}; read as {mode}")
    notes.found += [f"{counted(n, 'picture')} {what}" for what, n in view.found.items() if grey and n]
    notes.changed += [f"{counted(n, 'picture')} {what}" for what, n in view.changed.items() if n]
    if view.remarks:
        notes.ignored.append(f"data beside the pixels that are damaged: {listed(view.remarks)}")
    domain = Domain((pixels.shape[3], *pixels.shape[1:3]), levels_of(view.mode), "image")
    files = np.arange(len(headers.frames))
    return Stack(pixels.transpose(0, 3, 1, 2), domain, np.repeat(files, headers.frames))


def _expected(how: Reading) -> tuple[int, int] | None:
    """(H, W) that is known before any picture."""
    if how.domain is None or how.domain.layout != "image":
        return how.size
    height, width = how.domain.event_shape[1:]
    return height, width


def _check_size(
    name: str, size: tuple[int, int], expected: tuple[int, int], how: Reading, first: str
) -> None:
    if size == expected:
        return
    if how.size is not None:
        raise DataError(f"{name}: expected the size of {how.domain}, got {_size(size)} by --size")
    given = f"--size {_size(expected)} and --fit crop, pad or stretch"
    if _expected(how) is None:
        as_, way = f"as {first} has", f"bring all to one size with {given}"
    else:
        as_, way = f"of {how.domain}", f"bring it to that size; a run trained with {given} does so itself"
    raise DataError(
        f"{name}: expected {_size(expected)} pixels (height x width) {as_}, got {_size(size)}; {way}"
    )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"

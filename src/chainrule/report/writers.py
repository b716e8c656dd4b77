"""`WRITERS`: what writes items into a file, by the ending of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chainrule.data.pcm import to_samples
from chainrule.data.readers.sound import WRITTEN as SOUNDS
from chainrule.data.readers.sound import sound_writer
from chainrule.data.writing import Writing
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.plugins import entries, load_entry
from chainrule.report.animation import ffmpeg, frames, write_gif, write_mp4
from chainrule.report.frames import write_frames
from chainrule.report.midi import TEMPO, check_midi, midi_file
from chainrule.report.pictures import image_grid
from chainrule.report.text import as_bytes, as_lines


@dataclass(frozen=True, eq=False)
class Export:
    """Items to write, and what a format may need to know about them.

    Attributes:
        x: (N, *event_shape).
        domain: theirs.
        writing: what levels stand for, of text.
        columns: columns of a grid; about a square by default.
        tempo: quarter notes per minute, of music.
        resolution: steps per quarter note, of music.
        rate: sample rate of recordings in Hz; None for other items.
        site: that draws each variable, (*event_shape), of animations.
        safe_csv: whether cells of a .csv that a spreadsheet would run as formulas get an apostrophe.
    """

    x: Tensor
    domain: Domain
    writing: Writing | None = None
    columns: int | None = None
    tempo: float = TEMPO
    resolution: int = 1
    rate: int | None = None
    site: Tensor | None = None
    safe_csv: bool = False


@dataclass(frozen=True)
class Writer:
    """How items are written in a format.

    Attributes:
        write: writes the items to a path. The path is temporary; the file takes its place once it is whole.
        suits: whether the format is for items of a domain, and of a rate in Hz if they are recordings.
        check: raises a `ChainruleError` that names the path if items of such a domain cannot be written after all.
        single: whether a file holds one item; several items are then as many files.
        append: writes items that come some at a time, n of them: parts (m, *event_shape), the first of which the items
            have. None where a format needs all of them.
    """

    write: Callable[[Path, Export], None]
    suits: Callable[[Domain, int | None], bool] = lambda domain, rate: True
    check: Callable[[Path, Domain], None] = lambda path, domain: None
    single: bool = False
    append: Callable[[Path, Export, Iterator[Tensor], int], None] | None = None


def _write_sound(path: Path, items: Export) -> None:
    assert items.rate is not None
    with sound_writer(path, items.rate, path.suffix.lower()) as write:
        write(to_samples(items.x[0][items.x[0] >= 0].cpu().numpy(), items.domain))


def _write_grid(path: Path, items: Export) -> None:
    image_grid(items.x, items.domain, columns=items.columns).save(path)


def _check_grid(path: Path, domain: Domain) -> None:
    if not domain.discrete:
        raise ChainruleError(
            f"{path}: a picture needs levels to shade, {domain} is real-valued; write .npy or .csv"
        )


def _frames(items: Export) -> list[np.ndarray]:
    if items.site is None:
        raise ChainruleError("an animation needs the site that draws each variable; got none")
    about: Any = {"writing": items.writing, "rate": items.rate, "columns": items.columns}
    return frames(items.x, items.domain, items.site, **about)


def _check_movie(path: Path, domain: Domain) -> None:
    _check_grid(path, domain)
    ffmpeg()


def _append_array(path: Path, items: Export, parts: Iterator[Tensor], n: int) -> None:
    with path.open("wb") as file:
        for number, part in enumerate(parts):
            values = np.ascontiguousarray(part.cpu().numpy())
            if not number:
                kind = np.lib.format.dtype_to_descr(values.dtype)
                header = {"descr": kind, "fortran_order": False, "shape": (n, *values.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(values.data)


def _append_rows(path: Path, items: Export, parts: Iterator[Tensor], n: int) -> None:
    if columns := items.domain.columns:
        write_frames(parts, path, columns, safe_csv=items.safe_csv)
        return
    with path.open("w", encoding="utf-8") as file:
        file.writelines(as_lines(part, ",") for part in parts)


def _append_text(path: Path, items: Export, parts: Iterator[Tensor], n: int) -> None:
    with path.open("wb") as file:
        file.writelines(as_bytes(part, items.writing, items.domain) for part in parts)


def _growing(append: Callable[[Path, Export, Iterator[Tensor], int], None], **about: Any) -> Writer:
    """A format that items can be appended to."""
    return Writer(
        lambda path, items: append(path, items, iter([items.x]), len(items.x)), **about, append=append
    )


def _write_midi(path: Path, items: Export) -> None:
    midi_file(items.x[0], tempo=items.tempo, resolution=items.resolution).save(path)


def _is_table(domain: Domain, rate: int | None) -> bool:
    return bool(domain.columns)


def _no_table(domain: Domain, rate: int | None) -> bool:
    return not domain.columns


def _is_sound(domain: Domain, rate: int | None) -> bool:
    return rate is not None and not domain.columns


# Ending → how items are written. Add your own: WRITERS[".toy"] = Writer(write_toy), or an entry point of the group
# `chainrule.writers` whose name is the ending.
WRITERS: dict[str, Writer] = {
    **{ending: Writer(_write_sound, _is_sound, single=True) for ending in SOUNDS},
    ".png": Writer(_write_grid, _no_table, _check_grid),
    ".gif": Writer(lambda path, items: write_gif(path, _frames(items)), _no_table, _check_grid),
    ".mp4": Writer(lambda path, items: write_mp4(path, _frames(items)), _no_table, _check_movie),
    ".npy": _growing(_append_array),
    ".csv": _growing(_append_rows),
    ".parquet": _growing(_append_rows, suits=_is_table),
    ".txt": _growing(_append_text, suits=_no_table),
    ".mid": Writer(_write_midi, _no_table, check_midi, single=True),
}


def writers_for(domain: Domain, rate: int | None = None) -> dict[str, Writer]:
    """The writers, of `WRITERS` and of other installed packages, that suit items of a domain.

    Raises:
        ChainruleError: if a package cannot be imported.
    """
    for ending, entry in entries("writers").items():
        if ending not in WRITERS:
            WRITERS[ending] = load_entry(entry)
    return {ending: writer for ending, writer in WRITERS.items() if writer.suits(domain, rate)}

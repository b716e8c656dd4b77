"""Items into files, whose endings name the formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.data.pcm import to_samples
from chainrule.data.readers.sound import sound_writer
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, is_stream
from chainrule.report.writers import Export, Writer, writers_for


def export_items(x: Tensor, domain: Domain, path: str | Path, **about: Any) -> list[Path]:
    """Write items (N, *event_shape) in the format of the ending, one of `WRITERS`.

    A grid (.png), an array (.npy), rows (.csv), or text (.txt, one item a line). Rows of a table are written with names
    and values (.csv, .parquet), or as their codes (.npy). A piano roll is a piece of music (.mid), a recording a sound
    of 16 bits (.wav, .flac); several are as many files, x-0.mid, x-1.mid, ….

    Args:
        x: the items.
        domain: theirs.
        path: where to; written whole or not at all.
        **about: writing, columns, tempo, resolution, rate, safe_csv; see `Export`.

    Returns:
        The files.

    Raises:
        ChainruleError: on an unknown ending, or one that does not suit the items.
    """
    path, items = Path(path), Export(x, domain, **about)
    writer = check_output(path, domain, items.rate)
    if not writer.single:
        _write(writer, items, path)
        return [path]
    paths = _paths(path, len(x))
    for number, own in enumerate(paths):
        _write(writer, replace(items, x=x[number : number + 1]), own)
    return paths


def export_parts(parts: Iterator[Tensor], n: int, domain: Domain, path: Path, **about: Any) -> list[Path]:
    """Write items as they are drawn; in memory that does not grow with their number, where the format allows that.

    Args:
        parts: one after another, (m, *event_shape), at least one.
        n: number of items.
        domain, path, about: as for `export_items`.

    Returns:
        The files.
    """
    first = next(parts)
    items, every = Export(first, domain, **about), chain([first], parts)
    writer = check_output(path, domain, items.rate)
    if writer.append is None:
        return export_items(torch.cat(list(every)), domain, path, **about)
    with atomic_path(path) as temporary:
        writer.append(temporary, items, every, n)
    return [path]


def _write(writer: Writer, items: Export, path: Path) -> None:
    with atomic_path(path) as temporary:
        writer.write(temporary, items)


def export_sounds(parts: Iterable[Tensor], n: int, domain: Domain, path: Path, rate: int) -> list[Path]:
    """Write recordings as they are drawn, in memory that does not grow with their length.

    Args:
        parts: one after another, (n, steps) levels each; -1 after the end of a recording.
        n: recordings.
        domain: theirs.
        path: where to, .wav or .flac; of several x-0.wav, x-1.wav, …. Whole or not at all.
        rate: in Hz.

    Returns:
        The files.
    """
    paths = _paths(path, n)
    with ExitStack() as files:
        writers = [
            files.enter_context(
                sound_writer(files.enter_context(atomic_path(own)), rate, path.suffix.lower())
            )
            for own in paths
        ]
        for part in parts:
            for item, write in zip(part, writers, strict=True):
                write(to_samples(item[item >= 0].cpu().numpy(), domain))
    return paths


def _paths(path: Path, n: int) -> list[Path]:
    """The paths of n files of one item each."""
    if n > 1 and is_stream(path):
        raise ChainruleError(f"{path}: one file cannot hold {n} items; write to a file, or draw one")
    return [path.with_stem(f"{path.stem}-{number}") for number in range(n)] if n > 1 else [path]


def check_output(path: Path, domain: Domain, rate: int | None = None) -> Writer:
    """See that `export_items` could write such a file, before its items are drawn.

    Args:
        path: of the file.
        domain: of the items.
        rate: sample rate of recordings in Hz; None for other items.

    Returns:
        What will write it.

    Raises:
        ChainruleError: on a folder, an unknown ending, or one that does not suit the domain.
    """
    suiting = writers_for(domain, rate)
    check_ending(path, tuple(suiting))
    if path.is_dir():
        raise ChainruleError(f"{path}: expected a file to write, got a folder")
    writer = suiting[path.suffix.lower()]
    writer.check(path, domain)
    return writer


def check_ending(path: Path, endings: tuple[str, ...]) -> None:
    """See that a file has one of the endings.

    Raises:
        ChainruleError: otherwise.
    """
    if path.suffix.lower() not in endings:
        raise ChainruleError(
            f"{path}: expected the ending {' or '.join(endings)}, got {path.suffix or 'none'}"
        )

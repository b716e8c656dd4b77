"""Items into a file whose ending says how."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from chainrule.data import decode
from chainrule.data.pcm import to_samples
from chainrule.data.readers.sound import WRITTEN as SOUNDS
from chainrule.data.readers.sound import sound_writer
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, is_stream, write_text
from chainrule.report.midi import TEMPO, check_midi, write_midi
from chainrule.report.pictures import image_grid
from chainrule.report.text import as_bytes, as_lines

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".png", ".npy", ".csv", ".txt", ".mid")
SOUND_ENDINGS = (*SOUNDS, *ENDINGS)
# How cells begin that spreadsheets compute, full-width signs too, and those of them that are but numbers.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
TABLE_ENDINGS = (".csv", ".parquet", ".npy")


def export_items(
    x: Tensor,
    domain: Domain,
    path: str | Path,
    *,
    vocabulary: str | None = None,
    columns: int | None = None,
    tempo: float = TEMPO,
    resolution: int = 1,
    rate: int | None = None,
    safe_csv: bool = False,
) -> list[Path]:
    """Write items (N, *event_shape): a grid (.png), an array (.npy), rows (.csv), or text (.txt, one item a line).

    Rows of a table are written with names and values (.csv, .parquet), or as their codes (.npy). A piano roll is a
    piece of music (.mid), a recording a sound of 16 bits (.wav, .flac); several become x-0.mid, x-1.mid, ….

    Args:
        x: the items.
        domain: theirs.
        path: where to; written whole or not at all.
        vocabulary: the character of each level, for text.
        columns: of a grid; about a square by default.
        tempo: quarter notes a minute, of music.
        resolution: steps a quarter note, of music.
        rate: of recordings, in Hz; None for other items.
        safe_csv: see `export_frame`.

    Returns:
        The files.

    Raises:
        ChainruleError: on an unknown ending, or one that does not suit the items.
    """
    path = Path(path)
    check_output(path, domain, rate)
    ending = path.suffix.lower()
    if ending in SOUNDS and rate is not None:
        return export_sounds([x], len(x), domain, path, rate)
    if ending == ".mid":
        paths = _paths(path, len(x))
        for item, own in zip(x, paths, strict=True):
            write_midi(item, own, tempo=tempo, resolution=resolution)
        return paths
    if ending == ".png":
        with atomic_path(path) as temporary:
            image_grid(x, domain, columns=columns).save(temporary)
    elif ending == ".npy":
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, x.cpu().numpy(), allow_pickle=False)
    elif domain.columns:
        export_frame(decode(x, domain.columns), path, safe_csv=safe_csv)
    elif ending == ".csv":
        write_text(path, as_lines(x, ","))
    else:
        with atomic_path(path) as temporary:
            temporary.write_bytes(as_bytes(x, vocabulary, domain))
    return [path]


def export_frame(frame: pd.DataFrame, path: Path, *, safe_csv: bool = False) -> None:
    """Write a frame as .csv or .parquet, without its index; `safe_csv` as in `as_csv`."""
    if path.suffix.lower() == ".csv":
        write_text(path, as_csv(frame, safe=safe_csv))
        return
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def as_csv(frame: pd.DataFrame, *, safe: bool = False) -> str:
    """A frame as CSV, without its index; if `safe`, no cell of it is a formula."""
    frame = without_formulas(frame) if safe else frame
    text = frame.to_csv(index=False)
    if "\r" in text:  # left bare by the writer of CSV, and taken for an end of line by all who read it
        text = frame.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    return text


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with an apostrophe before names and texts that spreadsheets compute; numbers stay as they are."""

    def plain(value: Any) -> Any:
        text = isinstance(value, str) and value.startswith(FORMULAS) and not NUMBER.fullmatch(value)
        return f"'{value}" if text else value

    texts = frame.select_dtypes(exclude="number").astype(object).map(plain)
    return frame.assign(**{name: texts[name] for name in texts}).rename(columns=plain)


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


def check_output(path: Path, domain: Domain, rate: int | None = None) -> None:
    """See that `export_items` could write such a file, before its items are drawn.

    Args:
        path: of the file.
        domain: of the items.
        rate: of sounds, in Hz; None for other items.

    Raises:
        ChainruleError: on a folder, an unknown ending, or one that does not suit the domain.
    """
    check_ending(path, TABLE_ENDINGS if domain.columns else ENDINGS if rate is None else SOUND_ENDINGS)
    if path.is_dir():
        raise ChainruleError(f"{path}: expected a file to write, got a folder")
    if path.suffix.lower() == ".mid":
        check_midi(path, domain)
    if path.suffix.lower() == ".png" and not domain.discrete:
        raise ChainruleError(
            f"{path}: a picture needs levels to shade, {domain} is real-valued; write .npy or .csv"
        )


def check_ending(path: Path, endings: tuple[str, ...]) -> None:
    """See that a file has one of the endings.

    Raises:
        ChainruleError: otherwise.
    """
    if path.suffix.lower() not in endings:
        raise ChainruleError(
            f"{path}: expected the ending {' or '.join(endings)}, got {path.suffix or 'none'}"
        )

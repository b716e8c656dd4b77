"""What a user has, a file, a folder or a data set ↔ one compressed file, by the model of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from chainrule.coding import compress, decompress
from chainrule.coding.alphabet import Alphabet
from chainrule.coding.container import Reader
from chainrule.coding.folder import Packed, unpack
from chainrule.coding.streams import compress_stream, decompress_stream
from chainrule.data import decode
from chainrule.data.mu_law import FULL
from chainrule.data.sound import SUFFIXES as SOUNDS
from chainrule.data.sound import WRITTEN, sound_writer
from chainrule.data.text import is_bytes
from chainrule.errors import ChainruleError, CodeError
from chainrule.files import atomic_folder, atomic_path, scratch
from chainrule.training import Run

SHADES = 256  # of the channels of a picture
Progress = Callable[[int], None]


def kind_of(run: Run, source: str) -> str:
    """What a source is to the model of a run: "file", "folder", "sound" or "items"."""
    path, domain = Path(source).expanduser(), run.model.domain
    if is_bytes(run.vocabulary or "") and domain.lengths == "fixed" and path.exists():
        return "folder" if path.is_dir() else "file"
    if (
        run.rate is not None
        and domain.levels == 2 * FULL
        and path.is_file()
        and path.suffix.lower() in SOUNDS
    ):
        return "sound"
    return "items"


def compress_bytes(
    run: Run, source: Path, out: Path, *, runner: str = "auto", progress: Progress | None = None
) -> dict:
    """A file, whatever is in it, or all files of a folder.

    Args:
        run: of a model of bytes.
        source: the file or the folder.
        out: where to.
        runner, progress: as for `chainrule.compress`; the progress is told bytes.

    Returns:
        "bytes" before and "compressed" after.
    """
    kind = "folder" if source.is_dir() else "file"
    opened: Any = Packed(source) if kind == "folder" else source.open("rb")
    before = opened.size if kind == "folder" else source.stat().st_size
    with atomic_path(out) as temporary, temporary.open("wb") as target:
        after = compress_stream(run.model, opened, target, kind, runner=runner, progress=progress)
    return {"kind": kind, "bytes": before, "compressed": after}


def compress_sound(
    run: Run, source: Path, out: Path, *, runner: str = "auto", progress: Progress | None = None
) -> dict:
    """The samples of a .wav or .flac of one channel of 16 bits at the run's rate; what else is in the file is lost.

    Arguments and result are those of `compress_bytes`.

    Raises:
        ChainruleError: if it is none of these.
    """
    import soundfile

    try:
        sound = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        raise ChainruleError(f"{source}: no readable sound ({error.error_string})") from error
    with sound:
        came = f"{sound.channels} of {sound.subtype} at {sound.samplerate} Hz"
        if (sound.channels, sound.subtype, sound.samplerate) != (1, "PCM_16", run.rate):
            raise ChainruleError(f"{source}: expected a channel of PCM_16 at {run.rate} Hz, got {came}")
        levels = _Levels(sound)
        with atomic_path(out) as temporary, temporary.open("wb") as target:
            options: Any = {"runner": runner, "progress": progress}
            after = compress_stream(run.model, levels, target, "sound", rate=run.rate, **options)  # type: ignore[arg-type]
        return {"kind": "sound", "bytes": 2 * sound.frames, "compressed": after}


def compress_items(
    run: Run,
    x: Tensor,
    cond: Tensor | None,
    out: Path,
    *,
    runner: str = "auto",
    progress: Progress | None = None,
) -> dict:
    """Items, and their classes for a model of classes.

    Args:
        run: of the model.
        x: (N, *event_shape).
        cond: of the items; only classes are kept.
        out: where to.
        runner, progress: as for `chainrule.compress`.

    Returns:
        "items", "variables" of all of them that are counted, and "compressed" bytes.

    Raises:
        ChainruleError: if the model is told something that is no class.
    """
    if run.model.conditional and not run.model.condition.counts:
        raise ChainruleError(
            f"compress: {run.folder} is told {run.model.condition.expected}, which no file keeps"
        )
    blob = compress(run.model, x, cond, runner=runner, progress=progress)
    with atomic_path(out) as temporary:
        temporary.write_bytes(blob)
    counted = int(run.model.domain.counted(x).sum())
    return {"kind": "items", "items": len(x), "variables": counted, "compressed": len(blob)}


def decompress_file(
    run: Run, source: Path, out: Path, *, anyway: bool = False, progress: Progress | None = None
) -> dict:
    """Write what `compress_…` was given, by the kind that the file says.

    Args:
        run: the same.
        source: the compressed file.
        out: a file; for a folder, a new folder; for items .npy, or .npz with their classes, rows of a table .csv or
            .parquet, images also a new folder of .png; for a sound .wav or .flac.
        anyway: see `chainrule.decompress`.
        progress: is told items or bytes.

    Raises:
        CodeError: see `chainrule.decompress`.
        ChainruleError: if `out` does not suit.
    """
    with source.open("rb") as stream:
        try:
            header = Reader(stream, len(Alphabet(run.model).whole)).header
            stream.seek(0)
            if header.kind == "items":
                return _items(run, stream.read(), out, anyway, progress)
            options: Any = {"anyway": anyway, "progress": progress}
            if header.kind == "folder":
                with scratch() as folder, (folder / "packed").open("w+b") as packed:
                    decompress_stream(run.model, stream, packed, **options)
                    packed.seek(0)
                    return {"kind": header.kind, "files": unpack(packed, out, header.version)}
            if header.kind == "sound":
                return _sound(run, stream, out, header.rate, options)
            with atomic_path(out) as temporary:
                with temporary.open("wb") as target:
                    decompress_stream(run.model, stream, target, **options)
                return {"kind": header.kind, "bytes": temporary.stat().st_size}
        except CodeError as error:
            raise CodeError(f"{source}: {error}") from error


def _sound(run: Run, stream: Any, out: Path, rate: int, options: dict) -> dict:
    """Decode and write samples."""
    if out.suffix.lower() not in WRITTEN:
        raise ChainruleError(f"{out}: expected the ending {' or '.join(WRITTEN)}, got {out.suffix or 'none'}")
    with atomic_path(out) as temporary:
        with sound_writer(temporary, rate, out.suffix.lower()) as write:
            target: Any = _Samples(write)
            decompress_stream(run.model, stream, target, **options)
        return {"kind": "sound", "bytes": target.size}


def _items(run: Run, blob: bytes, out: Path, anyway: bool, progress: Progress | None) -> dict:
    """Decode and write items."""
    domain, ending = run.model.domain, out.suffix.lower()
    pictures = domain.layout == "image" and domain.levels == SHADES and not ending
    if not pictures and ending not in (".npy", ".npz", *((".csv", ".parquet") if domain.columns else ())):
        expected = ".npy or .npz" + (", .csv or .parquet" if domain.columns else "")
        also = ", or a new folder of pictures" if domain.layout == "image" and domain.levels == SHADES else ""
        raise ChainruleError(f"{out}: expected the ending {expected}{also}, got {out.suffix or 'none'}")
    x, labels = decompress(run.model, blob, labels=True, anyway=anyway, progress=progress)
    if pictures:
        _write_pictures(x, out)
    elif ending in (".csv", ".parquet"):
        frame = decode(x, domain.columns)
        with atomic_path(out) as temporary:
            frame.to_csv(temporary, index=False) if ending == ".csv" else frame.to_parquet(
                temporary, index=False
            )
    else:
        arrays = {"x": x.numpy(), **({} if labels is None else {"y": labels.numpy()})}
        with atomic_path(out) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays) if ending == ".npz" else np.save(file, arrays["x"])
    return {"kind": "items", "items": len(x)}


def _write_pictures(x: Tensor, folder: Path) -> None:
    """A .png each, in a new folder that appears once all are there."""
    with atomic_folder(folder) as root:
        for i, item in enumerate(x.to(torch.uint8).permute(0, 2, 3, 1).squeeze(-1).numpy()):
            Image.fromarray(item).save(root / f"{i:0{len(str(len(x)))}}.png")


class _Levels:
    """What `read` gives of a sound: two bytes a sample."""

    def __init__(self, sound: Any) -> None:
        self._sound = sound

    def read(self, size: int) -> bytes:
        """The next size/2 samples + 32768."""
        samples = self._sound.read(size // 2, dtype="int16").astype(np.int32)
        return (samples + FULL).astype("<u2").tobytes()


class _Samples:
    """What `write` makes of two bytes a sample.

    Args:
        write: takes samples (n,) int16.
    """

    def __init__(self, write: Callable[[np.ndarray], None]) -> None:
        self._write, self.size = write, 0

    def write(self, part: bytes) -> int:
        """Whole samples + 32768."""
        self._write((np.frombuffer(part, "<u2").astype(np.int32) - FULL).astype(np.int16))
        self.size += len(part)
        return len(part)

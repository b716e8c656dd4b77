"""What is packed symbol by symbol, however long it is: files and folders, texts of characters, sounds."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.coding.archive import Packed
from chainrule.coding.streams import symbol_type
from chainrule.data import load_streams
from chainrule.data.pcm import to_levels, to_samples
from chainrule.data.readers.sound import SUFFIXES as SOUNDS
from chainrule.data.writing import Bytes
from chainrule.domain import Domain
from chainrule.domain.mu_law import FULL
from chainrule.errors import ChainruleError, CodeError
from chainrule.training import Run

BOM = "\ufeff".encode()
TEXT = ".txt"
Opened = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Stream:
    """A source of symbols.

    Attributes:
        kind: as the container knows it.
        symbols: opens what they are read from.
        content: opens what comes back, to be compared with it.
        unit: what is counted: bytes, characters, tokens, samples.
        count: how many there are.
        size: bytes, from which the compression ratio is computed.
        rate: of a sound, in Hz.
        about: the file's description of it.
    """

    kind: str
    symbols: Opened
    content: Opened
    unit: str
    count: int
    size: int
    rate: int = 0
    about: dict = field(default_factory=dict)


def stream_of(run: Run, source: str, split: str | None = None, data_dir: Path | None = None) -> Stream | None:
    """A source as the symbols of a run's model; None if it is one of items.

    Raises:
        ChainruleError: if it cannot be read, or cannot be restored.
    """
    path, domain = Path(source).expanduser(), run.model.domain
    if domain.layout != "sequence" or domain.lengths == "ends" or domain.width > 1:
        return None
    if isinstance(run.writing, Bytes) and domain.lengths == "fixed" and path.exists():
        return _of_folder(path) if path.is_dir() else _of_file(path)
    if run.rate is not None and path.is_file() and path.suffix.lower() in SOUNDS:
        return _of_sound(path, run.rate, domain)
    if run.writing is not None and (path.suffix.lower() == TEXT or not path.exists()):
        return _of_text(run, source, path if path.is_file() else None, split, data_dir)
    return None


def restoring(run: Run, kind: str, about: dict) -> tuple[bytes, Callable[[bytes], bytes]]:
    """What comes before all that is decoded of a stream, and what its symbols become.

    Args:
        run: of the model.
        kind: of the stream.
        about: the file's description of it.

    Returns:
        Bytes, and a function of symbols: to the bytes of a file, or to the samples of a sound, little-endian
        int16.
    """
    symbol, domain = symbol_type(run.model), run.model.domain
    if kind == "sound":
        return b"", lambda part: _pcm(to_samples(np.frombuffer(part, symbol).astype(np.int32), domain))
    if kind != "text":
        return b"", lambda part: part
    writing = run.writing
    if writing is None:
        raise CodeError("expected a run of text, got one whose levels stand for none")

    def text(part: bytes) -> bytes:
        levels = np.frombuffer(part, symbol)
        if len(levels) and levels.max() >= writing.size:
            raise CodeError(
                f"level {levels.max()}: expected one of the {writing.size} {writing.unit} of the run"
            )
        return writing.content(levels)

    return BOM if about.get("bom") else b"", text


def _of_file(path: Path) -> Stream:
    size = path.stat().st_size
    return Stream("file", lambda: path.open("rb"), lambda: path.open("rb"), "bytes", size, size)


def _of_folder(path: Path) -> Stream:
    @contextmanager
    def packed() -> Iterator[Packed]:
        yield Packed(path)

    size = Packed(path).size
    return Stream("folder", packed, packed, "bytes", size, size)


def _of_text(run: Run, source: str, path: Path | None, split: str | None, data_dir: Path | None) -> Stream:
    """The stream of a text: a file whose bytes are restored, or a named set."""
    streams = load_streams(source, run.reading, split=split, data_dir=data_dir)
    levels = np.concatenate(streams).astype(symbol_type(run.model))
    if isinstance(run.writing, Bytes):
        content = levels.astype(np.uint8).tobytes()
        return _of_bytes("file", content, content, "bytes", len(levels))
    content = restoring(run, "text", {})[1](levels.tobytes()) if path is None else path.read_bytes()
    about = {"bom": True} if content.startswith(BOM) else {}
    start, restored = restoring(run, "text", about)
    if start + restored(levels.tobytes()) != content:
        raise ChainruleError(
            f"{source}: cannot be restored exactly: it is not in UTF-8, or was changed while it was read; "
            f"a model of bytes packs any file as it is"
        )
    unit = "symbols" if run.writing is None else run.writing.unit
    return _of_bytes("text", levels.tobytes(), content, unit, len(levels), about)


def _of_bytes(
    kind: str, symbols: bytes, content: bytes, unit: str, count: int, about: dict | None = None
) -> Stream:
    return Stream(
        kind,
        lambda: io.BytesIO(symbols),
        lambda: io.BytesIO(content),
        unit,
        count,
        len(content),
        about=about or {},
    )


def _of_sound(path: Path, rate: int, domain: Domain) -> Stream:
    """The samples of a .wav or .flac of one channel of 16 bits at the run's rate.

    Raises:
        ChainruleError: if it is none of these, or not a sound.
    """
    import soundfile

    def opened(read: Callable[[np.ndarray], bytes], width: int) -> Opened:
        @contextmanager
        def context() -> Iterator[_Samples]:
            with soundfile.SoundFile(path) as sound:
                yield _Samples(sound, read, width)

        return context

    def levels(samples: np.ndarray) -> bytes:
        found = to_levels(samples, domain)
        check_samples(path, samples, to_samples(found, domain))
        return found.astype(symbol).tobytes()

    try:
        with soundfile.SoundFile(path) as sound:
            came = f"{sound.channels} of {sound.subtype} at {sound.samplerate} Hz"
            if (sound.channels, sound.subtype, sound.samplerate) != (1, "PCM_16", rate):
                raise ChainruleError(
                    f"{path}: expected one channel of PCM_16 at {rate} Hz, got {came}; convert it first, or "
                    f"compress it by a model of bytes"
                )
            frames = sound.frames
    except soundfile.LibsndfileError as error:
        raise ChainruleError(f"{path}: not a readable sound ({error.error_string})") from error
    symbol = np.dtype("<u2" if domain.levels == 2 * FULL else "u1")
    return Stream(
        "sound", opened(levels, symbol.itemsize), opened(_pcm, 2), "samples", frames, 2 * frames, rate
    )


def _pcm(samples: np.ndarray) -> bytes:
    return samples.astype("<i2").tobytes()


def check_samples(path: Path, samples: np.ndarray, back: np.ndarray) -> None:
    """Refuse a sound that a model of μ-law would round.

    Args:
        path: of it.
        samples: int16 (n,).
        back: what would come back.

    Raises:
        ChainruleError: if these differ.
    """
    same = samples == back
    if not same.all():
        at = int(same.argmin())
        raise ChainruleError(
            f"{path}: the run's 256 levels of μ-law would round its samples, {samples[at]} to {back[at]}; compress it "
            f"by a model of 16 bits (sequence:…:65536:given), or by one of bytes"
        )


class _Samples:
    """What `read` gives of a sound.

    Args:
        sound: opened by soundfile.
        read: samples (n,) int16 → bytes.
        width: bytes of each.
    """

    def __init__(self, sound: Any, read: Callable[[np.ndarray], bytes], width: int) -> None:
        self._sound, self._read, self._width = sound, read, width

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        return self._read(self._sound.read(size // self._width, dtype="int16"))

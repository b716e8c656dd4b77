"""The kinds of files of which a source may be one, or a folder of them; and what reads each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chainrule.data.large import shards
from chainrule.data.large.tables import FORMATS
from chainrule.data.raw import Raw, reading
from chainrule.data.readers import images, midi, recordings, sound, text
from chainrule.data.readers.arrow import TABLE_OPTIONS
from chainrule.data.readers.columnar import read_columnar
from chainrule.data.readers.tree import endings_below
from chainrule.data.reading import Reading
from chainrule.errors import DataError


@dataclass(frozen=True)
class Kind:
    """Files that are read alike.

    Attributes:
        name: what they are, for messages.
        suffixes: theirs.
        read: of a folder of them, or of one.
        options: those of `Reading` that are for no other kind.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading], Raw]
    options: tuple[str, ...] = ()

    def __call__(self, path: Path, how: Reading) -> Raw:
        """Read a folder of them, or one, as a reader of `READERS` does."""
        raw = self.read(path, how)
        raw.takes = raw.takes or self.options
        return raw

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.suffixes)})"


TABLES = Kind("tables", tuple(FORMATS), read_columnar)
TEXTS = Kind("texts", text.SUFFIXES, text.read_text, ("encoding",))
KINDS = (
    Kind("images", images.SUFFIXES, images.read_images, images.OPTIONS),
    Kind("recordings", sound.SUFFIXES, recordings.read_recordings, ("gain",)),
    Kind("MIDI files", midi.SUFFIXES, midi.read_midi, ("resolution", "tracks")),
    TABLES,
    Kind("tar shards", shards.SUFFIXES, shards.read_shards, images.OPTIONS),
    TEXTS,
)


def check_options(raw: Raw, how: Reading) -> None:
    """Refuse options that are for other kinds of sources.

    Raises:
        DataError: naming the option.
    """
    for kind in KINDS:
        for option in kind.options:
            value = getattr(how, option)
            if value is not None and option not in raw.takes:
                raise DataError(f"{raw.where}: {option} is for {kind.name}, expected none, got {value!r}")
    for option in TABLE_OPTIONS:
        if getattr(how, option) is not None and option not in raw.takes:
            raise DataError(
                f"{raw.where}: {option} is for .csv and .tsv, expected none, got {getattr(how, option)!r}"
            )
    if how.axes is not None and (raw.domain is not None or raw.streams):
        raise DataError(f"{raw.where}: axes are for arrays, expected none, got {how.axes}")
    if how.rate is not None and raw.rate is None:
        raise DataError(f"{raw.where}: a rate is for recordings, expected none, got {how.rate}")


def kind_of_folder(folder: Path) -> Kind:
    """The one of most files below it; the others, such as the cover of an album, are noted by its reader."""
    with reading(str(folder)):
        suffixes = endings_below(folder)
    counts = {kind: sum(suffixes[suffix] for suffix in kind.suffixes) for kind in KINDS}
    there = [kind for kind in KINDS if counts[kind]]
    if len(there) > 1:
        there = [kind for kind in there if kind is not TEXTS]  # notes about the others
    if not there:
        raise DataError(f"{folder}: holds no {', no '.join(map(str, KINDS))}")
    most = max(counts[kind] for kind in there)
    first, *others = [kind for kind in there if counts[kind] == most]
    if others:
        raise DataError(
            f"{folder}: holds equally many {' and '.join(map(str, [first, *others]))}; keep each kind in its own folder"
        )
    return first

"""Pictures in tar shards, as WebDataset writes them: members of one name belong together, x.png and x.cls.

The members of uncompressed shards are listed once, and each is then read by its place in the shard: so an epoch has
every picture once, in any order, for any number of processes. (The package webdataset itself streams shards from front
to back, and has no exact epochs.)
"""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from chainrule.data.labels import sorted_names
from chainrule.data.large.bar import bar
from chainrule.data.large.kept import listing
from chainrule.data.large.pictures import Encoded, StoredPictures, look_at
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.gather import gather, raw_of
from chainrule.data.readers.opened import SUFFIXES as PICTURES
from chainrule.data.reading import Reading
from chainrule.errors import DataError

SUFFIXES = (".tar",)
CLASS = (".cls", ".txt")  # of members that say the class of a picture


def read_shards(source: Path, how: Reading) -> Raw:
    """Read a shard, or those below a folder; subfolders train, valid, test are the split.

    Raises:
        DataError: if one is damaged or packed, or holds no pictures; or some pictures have no class while others do.
    """
    notes = Notes()
    files = gather(source, SUFFIXES, "tar shards", notes)
    raw = raw_of(source, notes)
    pictures: dict[str, list[Encoded]] = {}
    classes: dict[str, list[str | None]] = {}
    others = 0
    for split, part in files.parts.items():
        pictures[split], classes[split] = [], []
        for path in bar(part, "shards", [file.stat().st_size for file in part]):
            found, names, left = _members(path)
            pictures[split] += found
            classes[split] += names
            others += left
    every = [picture for own in pictures.values() for picture in own]
    if not every:
        raise DataError(f"{source}: expected pictures in the shards ({', '.join(PICTURES)}), found none")
    if others:
        notes.ignored.append(f"{counted(others, 'member')} of shards that are neither pictures nor classes")
    raw.domain = look_at(str(source), every, how, notes)
    raw.arrays = {split: StoredPictures(own, how, raw.domain) for split, own in pictures.items()}
    raw.items = {split: [picture.name for picture in own] for split, own in pictures.items()}
    _add_classes(raw, classes)
    raw.listing = listing(source, files.every)
    return raw


def _members(path: Path) -> tuple[list[Encoded], list[str | None], int]:
    """The pictures of a shard, the class of each or None, and how many members are neither."""
    pictures: dict[str, Encoded] = {}
    classes: dict[str, str] = {}
    others = 0
    with reading(str(path)), path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as shard:
        for member in shard:
            name = PurePosixPath(member.name)
            key, ending = str(name.with_suffix("")), name.suffix.lower()
            if not member.isfile() or name.name.startswith("."):
                continue
            if ending in PICTURES:
                pictures[key] = Encoded(str(path), f"{path.name}: {name}", member.offset_data, member.size)
            elif ending in CLASS:
                here = file.tell()
                file.seek(member.offset_data)
                classes[key] = file.read(member.size).decode().strip()
                file.seek(here)
            else:
                others += 1
    return list(pictures.values()), [classes.get(key) for key in pictures], others


def _add_classes(raw: Raw, classes: dict[str, list[str | None]]) -> None:
    every = [name for own in classes.values() for name in own]
    if all(name is None for name in every):
        return
    if None in every:
        raise DataError(
            f"{raw.where}: {counted(every.count(None), 'picture')} of {len(every):,} have no class beside them; "
            "expected all or none"
        )
    names = sorted_names({str(name) for name in every})
    place = {name: code for code, name in enumerate(names)}
    raw.class_names = names
    raw.labels = {split: np.array([place[str(name)] for name in own]) for split, own in classes.items()}
    raw.notes.found.append(f"{counted(len(names), 'class', 'classes')}: {listed(names)}")

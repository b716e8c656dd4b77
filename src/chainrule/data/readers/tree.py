"""Files below a folder: their order, and the splits and classes that subfolders say."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.labels import sorted_names
from chainrule.data.notes import Notes, counted, listed
from chainrule.errors import DataError

# What folders and arrays are called, in any case → the split they are.
ALIASES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def files_below(root: Path, suffixes: Collection[str]) -> list[Path]:
    """The sorted paths, relative to root, of all files below it with one of the suffixes.

    Links are followed, each folder once; hidden files and folders are the file manager's or the editor's.
    """
    return sorted((path for path in all_below(root) if path.suffix.lower() in suffixes), key=parts_of_path)


def parts_of_path(path: Path) -> tuple[str, ...]:
    """What paths are sorted by: the names of their folders and their own, which is also how they compare."""
    return path.parts


def all_below(root: Path) -> Iterator[Path]:
    """The paths, relative to root, of all files below it that are not hidden; links are followed, each folder once."""
    yield from map(Path, _names(os.fspath(root), "", set()))


def endings_below(root: Path) -> Counter[str]:
    """How many files below it have each ending, in lower case."""
    return Counter(os.path.splitext(name)[1].lower() for name in _names(os.fspath(root), "", set()))


def _names(folder: str, prefix: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError:  # of others, which may not be read
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    folders: list[str] = []
    files: list[str] = []
    for entry in entries:  # what the folder itself says of them: of very many files, asking each takes long
        with suppress(OSError):  # a link to itself is neither
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                files.append(entry.name)
    yield from (prefix + name for name in files)
    for name in sorted(folders):
        yield from _names(os.path.join(folder, name), f"{prefix}{name}/", seen)


def below_root(paths: Sequence[Path], root: Path) -> list[Path]:
    """The paths that lie below a folder, relative to it, in their order."""
    depth = len(root.parts)
    return (
        [Path(*path.parts[depth:]) for path in paths if path.parts[:depth] == root.parts]
        if depth
        else [*paths]
    )


def ignore_others(
    every: Iterable[Path], suffixes: Collection[str], notes: Notes, but: Collection[str] = ()
) -> None:
    """Note those of sorted files that are not read because of their suffix, except those of some names."""
    others = [path for path in every if path.suffix.lower() not in suffixes and str(path) not in but]
    if others:
        notes.ignored.append(f"{counted(len(others), 'other file')}: {listed(others)}")


def split_of(name: str) -> str | None:
    """The split that a folder or an array of this name is; None for none."""
    return ALIASES.get(name.lower())


def split_roots(folder: Path, paths: Sequence[Path], notes: Notes) -> dict[str, Path]:
    """Split → its folder; the whole folder is "train" if no subfolder has the name of a split.

    Args:
        folder: of the files.
        paths: theirs, relative to it.
        notes: records what lies beside the splits, and is not read.

    Raises:
        DataError: if there are two subfolders of one split, or others beside them.
    """
    tops = Counter(path.parts[0] for path in paths if len(path.parts) > 1)
    roots: dict[str, Path] = {}
    for top in sorted(tops):
        split = split_of(top)
        if split is None:
            continue
        if split in roots:
            raise DataError(f"{folder}: expected one folder of {split}, got {roots[split].name} and {top}")
        roots[split] = folder / top
    if not roots:
        return {"train": folder}
    roots = {split: roots[split] for split in SPLITS if split in roots}
    names = [root.name for root in roots.values()]
    others = sorted(set(tops) - set(names))
    if others:
        raise DataError(
            f"{folder}: has {listed(others)} beside the splits {', '.join(names)}; move it elsewhere, or into a split"
        )
    beside = [path for path in paths if len(path.parts) == 1]
    if beside:
        notes.ignored.append(f"{counted(len(beside), 'file')} beside {', '.join(names)}: {listed(beside)}")
    return roots


def classes_of(
    parts: Mapping[str, Sequence[Path]], notes: Notes
) -> tuple[dict[str, list[Path]], dict[str, np.ndarray], tuple[str, ...] | None]:
    """The subfolder that each file lies in as its class.

    Args:
        parts: split → the files, relative to the split's folder.
        notes: records the classes; and which files are left out since they lie in no class, or that there are no
            classes, since most lie in none.

    Returns:
        Split → the files that are kept, and codes (n,) of each, without the splits of which none has a class; and the
        names, None for none.
    """
    kept = {split: list(part) for split, part in parts.items()}
    deep = {split: [path for path in part if len(path.parts) > 1] for split, part in kept.items()}
    total = sum(len(part) for split, part in kept.items() if deep[split])
    inside = sum(map(len, deep.values()))
    if inside * 2 <= total:
        if inside:
            notes.ignored.append(
                f"the names of subfolders: {total - inside:,} of {counted(total, 'file')} lie in none, so these are no "
                f"classes"
            )
        return kept, {}, None
    stray = [path for split, part in kept.items() if deep[split] for path in part if len(path.parts) == 1]
    if stray:
        notes.ignored.append(f"{counted(len(stray), 'file')} in no class, left out: {listed(stray)}")
    kept = {split: deep[split] or part for split, part in kept.items()}
    of = {split: [path.parts[0] for path in part] for split, part in deep.items() if part}
    counts = Counter(name for part in of.values() for name in part)
    names = sorted_names(counts)
    notes.found.append(
        f"{counted(len(names), 'class', 'classes')}, by subfolder: "
        + listed(f"{name} ({counts[name]:,})" for name in names)
    )
    place = {name: code for code, name in enumerate(names)}
    return kept, {split: np.array([place[name] for name in part]) for split, part in of.items()}, names

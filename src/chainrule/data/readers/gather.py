"""The files that a source is made of: one, or those of a folder, with the splits and classes that subfolders say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chainrule.data.notes import Notes
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.tree import (
    all_below,
    below_root,
    classes_of,
    ignore_others,
    parts_of_path,
    split_roots,
)
from chainrule.errors import DataError


@dataclass
class Files:
    """Files of one kind.

    Attributes:
        parts: split → paths.
        items: split → what to call each: its path in the folder; empty of a file that is the only one.
        labels: split → (n,), the class of each; empty without classes.
        class_names: the name of each class, or None.
    """

    parts: dict[str, list[Path]]
    items: dict[str, list[str]]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None

    @property
    def every(self) -> list[Path]:
        """The paths of all splits."""
        return [path for part in self.parts.values() for path in part]

    def endings(self) -> str:
        """How many there are of each ending: "3 .wav, 1 .mp3"."""
        counts = Counter(path.suffix.lower() for path in self.every)
        return ", ".join(f"{n:,} {ending}" for ending, n in counts.most_common())

    def without(self, left_out: Collection[Path]) -> Files:
        """The same without some; splits of which nothing is left are left out too."""
        kept = {split: [path not in left_out for path in part] for split, part in self.parts.items()}
        kept = {split: here for split, here in kept.items() if any(here)}

        def of(values: dict) -> dict:
            return {
                split: [value for value, here in zip(values[split], kept[split], strict=True) if here]
                for split in kept
                if split in values
            }

        labels = {split: np.array(own) for split, own in of(self.labels).items()}
        return Files(of(self.parts), of(self.items), labels, self.class_names)


def gather(source: Path, suffixes: Collection[str], kind: str, notes: Notes) -> Files:
    """A file as the only one, or the files of a folder, in the order of their sorted paths.

    Args:
        source: the file or the folder.
        suffixes: of the files that are meant.
        kind: what they are, for messages.
        notes: records other files, and the classes.

    Raises:
        DataError: if the folder cannot be read, has none of them, or has files beside its splits.
    """
    if not source.is_dir():
        return Files({"train": [source]}, {})
    with reading(str(source)):
        every = sorted(all_below(source), key=parts_of_path)  # once: there may be very many
        paths = [path for path in every if path.suffix.lower() in suffixes]
        if not paths:
            raise DataError(f"{source}: holds no {kind} ({', '.join(suffixes)})")
        ignore_others(every, suffixes, notes)
        roots = split_roots(source, paths, notes)
        inside = {split: root.relative_to(source) for split, root in roots.items()}
        below = {split: below_root(paths, root) for split, root in inside.items()}
        parts, labels, names = classes_of(below, notes)
    return Files(
        {split: [roots[split] / path for path in part] for split, part in parts.items()},
        {
            split: [
                (inside[split] / path).as_posix() if inside[split].parts else path.as_posix() for path in part
            ]
            for split, part in parts.items()
        },
        labels,
        names,
    )


def raw_of(source: Path, notes: Notes) -> Raw:
    """The empty record of a file or a folder."""
    name = source.resolve().name if source.is_dir() else source.stem
    return Raw(name, str(source), notes=notes)

"""What a reader hands over: the arrays of a file as they are, before domain, split and tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.carried import Carried
from chainrule.data.dataset import ClassNames
from chainrule.data.notes import Notes
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DataError

MOST = 200  # characters of a parser's message that are shown


@dataclass
class Raw:
    """The content of one source.

    Attributes:
        name: what to call the data set.
        where: the path or address that messages name.
        arrays: split → (N, …), or `Stored` items; "train" alone when the source has no splits of its own.
        labels: split → (N,), or (N, k) with names; of each stream, if there are any. Empty when there are none.
        streams: split → its long sequences, (T,) or (T, K) each, in place of arrays; of recordings their samples,
            int16, and else levels, with a domain.
        domain: what the format itself says the items are; None to infer it from the arrays.
        class_names: the name of each label's class, where known; of labels with names, a tuple for each.
        label_names: of k labels, such as digit and speaker.
        rate: of recordings, in Hz.
        vocabulary: the character each level stands for.
        split: how the source was split, in words; empty if that is for the common code to say.
        note: further words on where the numbers came from.
        notes: what was found, ignored and changed.
        takes: options of reading that are for sources of its kind only.
        chosen: options of reading that the source itself settled, such as a gain; a run keeps them for new data.
        items: split → what each item, or each stream, is called, such as its file; where it has a name.
        beside: of tables, split → the columns that are not modelled, such as ids.
        carried: how those columns go on in new rows.
        listing: of a source that stays in its files, what identifies these.
    """

    name: str
    where: str
    arrays: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    streams: dict[str, list[Any]] = field(default_factory=dict)
    domain: Domain | None = None
    class_names: ClassNames | None = None
    label_names: tuple[str, ...] = ()
    rate: int | None = None
    vocabulary: tuple[str, ...] | None = None
    split: str = ""
    note: str = ""
    notes: Notes = field(default_factory=Notes)
    takes: tuple[str, ...] = ()
    chosen: dict[str, Any] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)
    beside: dict[str, pa.Table] = field(default_factory=dict)
    carried: tuple[Carried, ...] = ()
    listing: str = ""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever a parser of a foreign format raises into one line that names the file.

    Raises:
        DataError: in place of any error in the block that is not the library's own.
    """
    try:
        yield
    except ChainruleError:
        raise
    # Parsers of damaged files raise what they happen to meet: OSError, SyntaxError, zlib.error, …
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # They also quote what they met, whatever it is.
        said = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in lines[0][:MOST])
        raise DataError(f"{what}: cannot be read: {said}{'…' * (len(lines[0]) > MOST)}") from error

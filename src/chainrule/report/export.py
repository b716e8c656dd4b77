"""Items into a file whose ending says how."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, write_text
from chainrule.report.pictures import image_grid

ENDINGS = (".png", ".npy", ".csv", ".txt")


def export_items(x: Tensor, domain: Domain, path: str | Path, *, vocabulary: str | None = None) -> None:
    """Write items (N, *event_shape): a grid (.png), an array (.npy), rows (.csv), or text (.txt, one item a line).

    Args:
        x: the items.
        domain: theirs.
        path: where to; written whole or not at all.
        vocabulary: the character of each level, for text.

    Raises:
        ChainruleError: on an unknown ending, or one that does not suit the items.
    """
    path = Path(path)
    if path.suffix == ".png":
        with atomic_path(path) as temporary:
            image_grid(x, domain).save(temporary)
    elif path.suffix == ".npy":
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, x.cpu().numpy(), allow_pickle=False)
    elif path.suffix == ".csv":
        text = io.StringIO()
        np.savetxt(text, x.flatten(1).cpu().numpy(), delimiter=",", fmt="%d" if domain.discrete else "%.9g")
        write_text(path, text.getvalue())
    elif path.suffix == ".txt":
        write_text(path, as_text(x, vocabulary))
    else:
        raise ChainruleError(f"{path}: expected one of the endings {', '.join(ENDINGS)}, got {path.suffix or 'none'}")


def as_text(x: Tensor, vocabulary: str | None) -> str:
    """Items as lines of characters, or of levels where there is no vocabulary."""
    rows = x.flatten(1).cpu().tolist()
    if vocabulary is None:
        return "".join(" ".join(f"{value:g}" for value in row) + "\n" for row in rows)
    return "".join("".join(vocabulary[level] for level in row) + "\n" for row in rows)

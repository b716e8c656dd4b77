"""Texts as pictures, and what stands of them while they are drawn."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from chainrule.data.writing import Writing
from chainrule.domain import Domain

LINE, SIZE, MARGIN = 64, 16, 8  # characters of a line; pixels of a letter and around the text
NOT_YET = "·"  # a symbol that is not drawn yet


def texts_at(x: Tensor, domain: Domain, writing: Writing, drawn: Tensor) -> str:
    """Texts with a dot for each symbol that is not drawn yet, an item after the other, in lines of `LINE` characters.

    Args:
        x: items (N, steps).
        domain: theirs.
        writing: what their levels stand for.
        drawn: which symbols are there, (steps,) booleans.
    """
    end = domain.max_levels - 1 if domain.lengths == "ends" else -1
    lines = []
    for item in x.tolist():
        shown = [
            (level, there)
            for level, there in zip(item, drawn.tolist(), strict=True)
            if level not in (-1, end)
        ]
        parts = (
            writing.text([level for level, _ in part]) if there else NOT_YET * sum(1 for _ in part)
            for there, part in groupby(shown, key=lambda one: one[1])
        )
        for line in "".join(parts).splitlines() or [""]:
            lines += [line[at : at + LINE] for at in range(0, max(len(line), 1), LINE)]
    return "\n".join(lines)


def typed(texts: list[str]) -> list[np.ndarray]:
    """Each text on a canvas (height, width, 1) uint8, dark on light; all of one size."""
    board = ImageDraw.Draw(Image.new("L", (1, 1)))
    boxes = [board.multiline_textbbox((MARGIN, MARGIN), text, font=_font()) for text in texts]
    width, height = (int(max(box[side] for box in boxes)) + MARGIN for side in (2, 3))
    canvases = []
    for text in texts:
        picture = Image.new("L", (width, height), 255)
        ImageDraw.Draw(picture).multiline_text((MARGIN, MARGIN), text, font=_font(), fill=0)
        canvases.append(np.asarray(picture)[..., None])
    return canvases


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans Mono, which comes with matplotlib."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf", SIZE)

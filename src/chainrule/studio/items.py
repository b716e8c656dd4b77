"""Items of any kind as HTML: pictures, texts, sounds, rows, points."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
from torch import Tensor

from chainrule.data.pcm import to_samples
from chainrule.report import image_grid
from chainrule.report.pictures import as_source, is_roll
from chainrule.report.sounds import wav_file
from chainrule.report.text import as_text
from chainrule.report.tones import RATE, tones
from chainrule.studio.parts import picture
from chainrule.training import Run

MOST_ROWS = 100


def show_items(run: Run, x: Tensor, text: str = "items that were drawn") -> str:
    """Items (N, *event_shape) of a run as HTML; of long tables the first rows.

    Args:
        run: of their model.
        x: the items.
        text: what they are, for those who do not see pictures.
    """
    domain = run.model.domain
    if domain.columns:
        return table(run.frame(x[:MOST_ROWS]))
    if run.rate is not None:
        return "".join(player(to_samples(item[item >= 0].cpu().numpy(), domain), run.rate) for item in x)
    if is_roll(domain):
        pieces = (item[(item >= 0).all(-1)] for item in x)
        resolution = run.reading.resolution or 1
        return "".join(
            picture(image_grid(item[None], domain), text, "pixels")
            + player(tones(piece, resolution=resolution), RATE)
            for item, piece in zip(x, pieces, strict=True)
        )
    if domain.layout == "sequence":
        return f"<pre>{escape(as_text(x, run.writing, domain))}</pre>"
    if domain.discrete:
        return picture(image_grid(x, domain), text, "pixels")
    return table(pd.DataFrame(x[:MOST_ROWS].flatten(1).numpy().round(4)))


def player(sound: np.ndarray, rate: int) -> str:
    """HTML of a sound (T,) int16 at a rate in Hz."""
    return f'<audio controls src="{as_source(wav_file(sound, rate), "audio/wav")}"></audio>'


def table(frame: pd.DataFrame) -> str:
    """HTML of a frame; cells are escaped."""
    return f'<div class="rows">{frame.to_html(index=False, na_rep="", border=0, classes="plain")}</div>'

"""The order in which items are drawn, as a moving picture: .gif, written by Pillow, or .mp4, by ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from chainrule.data.pcm import to_samples
from chainrule.data.writing import Writing
from chainrule.domain import Domain
from chainrule.domain.mu_law import FULL
from chainrule.errors import ChainruleError, MissingExtraError, optional_import
from chainrule.models.base.capabilities import Sequential
from chainrule.report.pictures import as_image, as_pixels, is_roll, tiled
from chainrule.report.typed import texts_at, typed

if TYPE_CHECKING:
    from chainrule.training import Run

ANIMATED = (".gif", ".mp4")
FRAMES, SECONDS, HELD = 120, 6.0, 2.0  # frames at most; of drawing; the last frame stays
UNDRAWN = 128  # shade of what is not drawn yet
WAVE = (96, 480)  # pixels of a recording, height and width


def sites_of(run: Run, path: Path, known: Tensor | None = None) -> Tensor:
    """The site that draws each variable, 0 for the first: integers (*event_shape).

    Args:
        run: that draws.
        path: to write, for messages.
        known: (*event_shape) booleans of what is not drawn, but there from the beginning: -1.

    Raises:
        ChainruleError: if the run does not draw site by site in one ordering.
    """
    model: Any = run.model
    if not isinstance(model, Sequential) or model.orderings != 1:
        raise ChainruleError(
            f"{path}: shows the order in which variables are drawn; {run.name} draws without one ordering of them"
        )
    one = model.factorisation
    place = one.ordering.unflatten(torch.arange(one.domain.size)[None])[0]
    sites = (place // one.head.variables).cpu()
    return sites if known is None else sites.masked_fill(known.cpu(), -1)


def frames(
    x: Tensor,
    domain: Domain,
    site: Tensor,
    *,
    writing: Writing | None = None,
    rate: int | None = None,
    columns: int | None = None,
) -> list[np.ndarray]:
    """Draw items at several moments, at most `FRAMES`: what is not drawn yet in grey, first nothing, last all.

    Args:
        x: items (N, *event_shape).
        domain: theirs.
        site: that draws each variable, (*event_shape); -1 for what is there from the beginning.
        writing: of texts, which are drawn below each other; None for other items.
        rate: of recordings in Hz, which are drawn as waves; None for other items.
        columns: of the grid.

    Returns:
        Canvases (height, width, channels) uint8.
    """
    first, sites = int(site[site >= 0].min()), int(site.max()) + 1
    moments = np.linspace(first, sites, min(sites - first + 1, FRAMES)).round()
    if writing is not None:
        return typed([texts_at(x, domain, writing, site < moment) for moment in moments])
    if rate is not None:
        columns_of = np.linspace(0, len(site) - 1, WAVE[1]).round().astype(int)
        pixels, last = _waves(x, domain), site.numpy()[columns_of][None].repeat(WAVE[0], 0)
    else:
        pixels, last = as_pixels(x, domain), _pixels(site, domain)
    drawn = (np.where((last < moment)[..., None], pixels, UNDRAWN).astype(np.uint8) for moment in moments)
    return [tiled(each, domain, columns) for each in drawn]


def write_gif(path: Path, canvases: list[np.ndarray]) -> None:
    """Write the frames one after another; the last one stays, then it begins again."""
    first, *rest = map(as_image, canvases)
    durations = [round(1000 * SECONDS / len(canvases))] * len(rest) + [round(1000 * HELD)]
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0)


def write_mp4(path: Path, canvases: list[np.ndarray]) -> None:
    """Write the same as H.264.

    Raises:
        MissingExtraError: if there is neither the program ffmpeg nor the package imageio-ffmpeg.
        ChainruleError: if ffmpeg fails.
    """
    height, width = canvases[0].shape[:2]
    held = f"pad=ceil(iw/2)*2:ceil(ih/2)*2,tpad=stop_mode=clone:stop_duration={HELD:g}"  # sides must be even
    raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {len(canvases) / SECONDS:g} -i -"
    coded = f"-vf {held} -c:v libx264 -pix_fmt yuv420p"
    command = [ffmpeg(), "-y", "-loglevel", "error", *raw.split(), *coded.split(), str(path)]
    content = b"".join(np.broadcast_to(canvas, (height, width, 3)).tobytes() for canvas in canvases)
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ChainruleError(f"{path.name}: ffmpeg failed ({said[-1] if said else done.returncode})")


def ffmpeg() -> str:
    """The program: the system's, or that of imageio-ffmpeg.

    Raises:
        MissingExtraError: if there is none.
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        return str(optional_import("imageio_ffmpeg", "video").get_ffmpeg_exe())
    except MissingExtraError as error:
        raise MissingExtraError(f"ffmpeg is not installed; {error}; or write a .gif") from error


def _pixels(site: Tensor, domain: Domain) -> np.ndarray:
    """The site that completes each pixel of a picture, (height, width)."""
    if is_roll(domain):
        return site.T.flip(0).numpy()
    return (site.amax(0) if domain.layout == "image" else site.reshape(1, -1)).numpy()


def _waves(x: Tensor, domain: Domain) -> np.ndarray:
    """Recordings (N, T) as pictures: from the lowest to the highest sample of each column, dark on light."""
    height, width = WAVE
    pictures = np.full((len(x), height, width, 1), 255, np.uint8)
    for picture, item in zip(pictures, x, strict=True):
        samples = to_samples(item[item >= 0].cpu().numpy(), domain).astype(float) / FULL
        for column, part in enumerate(np.array_split(samples, min(width, max(len(samples), 1)))):
            if len(part):
                top, bottom = (
                    ((1 - np.array([part.max(), part.min()])) / 2 * (height - 1)).round().astype(int)
                )
                picture[top : bottom + 1, column] = 0
    return pictures

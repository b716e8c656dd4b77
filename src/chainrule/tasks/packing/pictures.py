"""Pictures: the names, the modes, and which shade the highest level is. They are restored as .png."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from chainrule.coding.about import described
from chainrule.coding.archive import inside
from chainrule.coding.container import DAMAGED
from chainrule.data.notes import listed
from chainrule.data.raw import reading
from chainrule.errors import ChainruleError, CodeError
from chainrule.tasks.packing.source import Source, Unpacked, files_of

PNG = ".png"
SHADES, DEEP = 255, 65535  # white, of 8 and of 16 bits
# Modes that are written as they are → channels; a palette's pictures become the colours that they show.
CHANNELS = {"1": 1, "L": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4}
HEAD = 25  # bytes of a .png, the last of which is its depth
SIGNATURE = b"\x89PNG"


def describe(source: Source) -> dict:
    """Names, modes, and what the levels are.

    Raises:
        ChainruleError: if two pictures would have one name.
    """
    assert source.path is not None
    names = list(source.items.names) or [source.path.name]
    twice = [name for name, n in Counter(map(_as_png, names)).items() if n > 1]
    if twice:
        raise ChainruleError(
            f"{source.path}: pictures are restored as .png, and several would be called {listed(twice)}; rename them"
        )
    alone = source.path.is_file()
    frames = [name for name in source.items.names if not alone and not (source.path / name).is_file()]
    if frames or len(source.items) != len(names):
        raise ChainruleError(
            f"{source.path}: several frames of one file cannot be restored ({listed(names)})"
        )
    files = [source.path if alone else source.path / name for name in names]
    modes = []
    for file in files:
        with reading(str(file)), Image.open(file) as image:
            modes.append(image.mode)
    about = {"names": list(map(_as_png, names)), "modes": modes if len(set(modes)) > 1 else modes[:1]}
    return {**about, "white": _white(source, files, modes), "alone": alone}


def endings(about: dict) -> tuple[str, ...]:
    """A folder, or one .png."""
    return (PNG,) if about.get("alone") else ("",)


def write(unpacked: Unpacked, out: Path) -> None:
    """A .png each."""
    about, top = unpacked.about, unpacked.run.model.domain.max_levels - 1
    with described():
        names, white = list(map(str, about["names"])), int(about["white"])
        modes = list(about["modes"]) * (1 if len(about["modes"]) == len(names) else len(names))
        if not len(names) == len(modes) == len(unpacked.x) or len(set(names)) < len(names):
            raise CodeError(DAMAGED)
    for name, mode, item in zip(names, modes, unpacked.x.numpy(), strict=True):
        path = out if about.get("alone") else out / inside(name.encode())
        path.parent.mkdir(parents=True, exist_ok=True)
        with described():
            picture = _picture(item, top, white, mode)
        picture.save(path, "PNG")


def difference(source: Source, out: Path) -> str | None:
    """Which file is lost, or which picture's pixels differ."""
    assert source.path is not None
    if source.path.is_file():
        return _differ(source.path, out)
    names = source.items.names
    lost = sorted(files_of(source.path) - set(names))
    if lost and not source.part:
        return f"{listed(lost)} would be lost; move files that are not pictures elsewhere"
    for name in names:
        if found := _differ(source.path / name, out / _as_png(name)):
            return f"{name}: {found}"
    return None


def _white(source: Source, files: Sequence[Path], modes: Sequence[str]) -> int:
    """The shade that the highest level is: levels are the numbers of the files, or shades that were rounded to them."""
    top = source.run.model.domain.max_levels - 1
    for white in (top, SHADES, DEEP):
        for file, item, mode in zip(files, source.items.x.numpy(), modes, strict=True):
            with reading(str(file)), Image.open(file) as image:
                if not np.array_equal(_shown(_picture(item, top, white, mode)), _shown(image)):
                    break
        else:
            return white
    return SHADES


def _differ(one: Path, other: Path) -> str | None:
    with reading(str(one)), Image.open(one) as was, Image.open(other) as now:
        if getattr(was, "n_frames", 1) > 1:
            return f"{was.n_frames} frames would be one"  # type: ignore[attr-defined]
        if _depth(one) > (16 if now.mode.startswith("I") else 8):
            return f"{_depth(one)} bits a channel would be 8"
        if was.mode in CHANNELS and was.mode != now.mode:
            return f"mode {was.mode} would be {now.mode}"
        if was.mode not in (*CHANNELS, "P", "PA") and not was.mode.startswith("I;16"):
            return f"mode {was.mode} cannot be written as .png"
        return None if np.array_equal(_shown(was), _shown(now)) else "its pixels would differ"


def _picture(item: np.ndarray, top: int, white: int, mode: str) -> Image.Image:
    """Levels (C, H, W) up to `top` as a picture.

    Args:
        item: the levels.
        top: the highest level.
        white: the shade that it is.
        mode: of the source; another one with the same channels where it cannot be written.
    """
    shades = item if white == top else np.rint(item.astype(np.float64) * white / max(top, 1))
    pixels = np.moveaxis(shades, 0, -1)
    if mode == "1":
        return Image.fromarray(np.where(pixels[..., 0] > 0, SHADES, 0).astype(np.uint8)).convert(
            "1", dither=Image.Dither.NONE
        )
    deep = white > SHADES or mode.startswith("I")
    array: Any = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    picture = Image.fromarray(array.astype(np.uint16 if deep else np.uint8))
    return picture.convert(mode) if mode in CHANNELS and mode != picture.mode and not deep else picture


def _shown(image: Image.Image) -> np.ndarray:
    """The colours of the file's pixels, of whatever mode; of 16 bits the numbers."""
    return np.asarray(image if image.mode.startswith("I") else image.convert("RGBA"))


def _depth(path: Path) -> int:
    """Bits per channel, which Pillow does not give for colours."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return head[-1] if head.startswith(SIGNATURE) else 8


def _as_png(name: str) -> str:
    path = Path(name)
    return (path if path.suffix.lower() == PNG else path.with_suffix(PNG)).as_posix()

"""Codecs of pictures and of sounds, each at its best: bytes. Programs that are not installed are left out, by name."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from chainrule.bench.codecs import timed
from chainrule.bench.programs import packed

Codec = Callable[[Any], int]


def _saved(kind: str, picture: Image.Image, **options: Any) -> int:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return len(target.getvalue())


def _jpeg_xl(picture: Image.Image) -> int:
    effort = ("-d", "0", "-e", "9", "-g", "3", "-E", "3", "-I", "100")
    return packed(
        ("cjxl", "{source}", "{packed}", *effort), partial(picture.save, format="PNG"), ".png", ".jxl"
    )


def _jbig(picture: Image.Image) -> int:
    return packed(
        ("pbmtojbg", "-q", "{source}", "{packed}"), partial(picture.save, format="PPM"), ".pbm", ".jbg"
    )


def _flac(sound: tuple[np.ndarray, int]) -> int:
    import soundfile

    target = io.BytesIO()
    soundfile.write(target, *sound, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return len(target.getvalue())


def _wavpack(sound: tuple[np.ndarray, int]) -> int:
    import soundfile

    return packed(
        ("wavpack", "-q", "-hh", "-x6", "{source}", "-o", "{packed}"),
        lambda path: soundfile.write(path, *sound, subtype="PCM_16"),
        ".wav",
        ".wv",
    )


PICTURES: dict[str, Codec] = {
    "PNG": partial(_saved, "PNG", optimize=True),
    "WebP": partial(_saved, "WebP", lossless=True, quality=100, method=6),
    "JPEG XL -e 9": _jpeg_xl,
}
BLACK_AND_WHITE: dict[str, Codec] = {**PICTURES, "JBIG": _jbig}
SOUNDS: dict[str, Codec] = {"FLAC -8": _flac, "WavPack -hh -x6": _wavpack}


def pictures(x: np.ndarray, levels: int) -> tuple[list[Image.Image], Image.Image]:
    """Images (N, C, H, W) as pictures, and all of them on one sheet, about square, blank where it is not full."""
    n, channels, height, width = x.shape
    across = int(np.ceil(np.sqrt(n)))
    down = -(-n // across)
    full = np.zeros((down * across, channels, height, width), np.uint8)
    full[:n] = x
    sheet = full.reshape(down, across, channels, height, width).transpose(0, 3, 1, 4, 2)
    picture = partial(_picture, levels=levels)
    return [picture(image.transpose(1, 2, 0)) for image in full[:n]], picture(
        sheet.reshape(down * height, across * width, channels)
    )


def _picture(x: np.ndarray, levels: int) -> Image.Image:
    """(H, W, C) of levels → a picture; of two levels it is black and white."""
    picture = Image.fromarray((x * 255 if levels == 2 else x).squeeze(-1) if x.shape[-1] == 1 else x)
    return picture.convert("1") if levels == 2 else picture


def measure_special(codecs: dict[str, Codec], parts: Sequence[Any], whole: Any) -> dict[str, dict]:
    """Bytes by each codec that is there, and why others are not.

    Args:
        codecs: by name.
        parts: pictures or sounds, a file of each.
        whole: all pictures or sounds in one.

    Returns:
        "whole" and "alone", the sum of the parts, by codec; "seconds" of the whole; "absent", a reason by codec.
    """
    found: dict[str, dict] = {"whole": {}, "alone": {}, "seconds": {}, "absent": {}}
    for name, code in codecs.items():
        try:
            found["whole"][name], found["seconds"][name] = timed(code, whole)
            found["alone"][name] = sum(map(code, parts))
        except ImportError as reason:
            found["absent"][name] = str(reason)
    return found

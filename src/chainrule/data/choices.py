"""Options of reading pictures and arrays: their values, checked before anything is read."""

from __future__ import annotations

from typing import Any

from PIL import ImageColor

from chainrule.errors import DataError

FITS = ("crop", "pad", "stretch")
MODES = ("1", "L", "LA", "RGB", "RGBA", "I;16")
FRAMES = ("first", "all")


def check_pictures(
    size: tuple[int, int] | None,
    fit: str | None,
    mode: str | None,
    background: str | None,
    frames: str | None,
) -> None:
    """Refuse values that make no sense; see `load_data`.

    Raises:
        DataError: naming the option.
    """
    if size is not None and (len(size) != 2 or any(type(side) is not int or side < 1 for side in size)):
        raise DataError(f"size: expected HEIGHTxWIDTH in pixels, integers ≥ 1, got {size!r}")
    for name, value, words in (("fit", fit, FITS), ("mode", mode, MODES), ("frames", frames, FRAMES)):
        if value not in (*words, None):
            raise DataError(f"{name}: expected {', '.join(words)}, got {value!r}")
    if fit is not None and size is None:
        raise DataError(f"fit: expected a size as well, such as --size 64, got only {fit!r}")
    if background is None:
        return
    try:
        known = len(ImageColor.getrgb(background)) == 3
    except (ValueError, TypeError, AttributeError):
        known = False
    if not known:
        raise DataError(f"background: expected a colour such as white, black or #80ff00, got {background!r}")


def parse_size(value: Any) -> tuple[int, int]:
    """(H, W) of "64x48", 64 or [64, 48]: the height comes first, as in the domain image:CxHxW.

    Raises:
        DataError: if it is none of these.
    """
    sides = value.lower().split("x") if isinstance(value, str) else value
    sides = list(sides) if isinstance(sides, list | tuple) else [sides]
    if isinstance(value, str) and all(
        side.isascii() and side.isdecimal() and len(side) < 7 for side in sides
    ):
        sides = [int(side) for side in sides]
    if len(sides) not in (1, 2) or any(type(side) is not int or side < 1 for side in sides):
        raise DataError(
            f"size: expected HEIGHTxWIDTH such as 64x48, or one number for a square, got {value!r}"
        )
    return int(sides[0]), int(sides[-1])


def check_axes(axes: str) -> None:
    """Refuse what names no axes of items, such as NHWC.

    Raises:
        DataError: unless each of N, C, H and W is there once at most, N is, and C or both H and W are.
    """
    letters = set(axes) if isinstance(axes, str) else set()
    if len(letters) != len(axes) or letters not in (set("NC"), set("NHW"), set("NCHW")):
        raise DataError(
            f"axes: expected N items, C channels or columns, H height and W width in their order, such as NHWC, NCHW, "
            f"NHW or NC, got {axes!r}"
        )

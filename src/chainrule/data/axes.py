"""Which axis of an array is what: given by the user, or inferred from its sizes where these leave no doubt."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.data.raw import Raw
from chainrule.data.reading import Reading
from chainrule.errors import DataError

ORDER = "NCHW"  # items, channels or columns, height, width
GUESSED = ("NCHW", "NHWC")
CHANNELS = range(1, 5)


def settle_axes(raw: Raw, how: Reading) -> None:
    """Bring arrays whose domain the source does not say into the order of `ORDER`, in place.

    Raises:
        DataError: if they have other axes than the user says, or their sizes leave in doubt where the channels are.
    """
    if raw.domain is not None or not raw.arrays:
        return
    shape = next(iter(raw.arrays.values())).shape
    if how.axes is not None and len(how.axes) != len(shape):
        raise DataError(
            f"{raw.where}: axes {how.axes}: expected an array of {len(how.axes)} axes, got shape {shape}"
        )
    axes = _known(shape, how)
    if axes is None and how.domain is None and len(shape) == 4 and min(shape) > 0:
        axes = _guess(raw.where, shape)
    if axes is None:
        return
    order = [axes.index(letter) for letter in ORDER if letter in axes]
    raw.arrays = {
        split: array.transpose(order) if array.ndim == len(order) else array
        for split, array in raw.arrays.items()
    }
    if order != sorted(order) or how.axes is not None:
        raw.notes.found.append(f"arrays {tuple(shape)} of axes {axes}; --axes says others")


def _known(shape: Sequence[int], how: Reading) -> str | None:
    """What the user says; but of a known domain of images, what gives its sizes."""
    if how.domain is None or how.domain.layout != "image":
        return how.axes
    given = [how.axes] if how.axes else []
    for axes in (*given, "NHW", *GUESSED):
        if len(axes) == len(shape):
            size = dict(zip(axes, shape, strict=True))
            if (size.get("C", 1), size.get("H"), size.get("W")) == how.domain.event_shape:
                return axes
    return how.axes


def _guess(where: str, shape: Sequence[int]) -> str:
    """Where 1 to 4 channels are; where both may be, what leaves squares, or else has fewer channels."""
    sizes = {axes: dict(zip(axes, shape, strict=True)) for axes in GUESSED}
    few = [axes for axes in GUESSED if sizes[axes]["C"] in CHANNELS]
    square = [axes for axes in few or GUESSED if sizes[axes]["H"] == sizes[axes]["W"]]
    least = min((sizes[axes]["C"] for axes in few), default=0)
    fewest = [axes for axes in few if sizes[axes]["C"] == least]
    for chosen in (few, square, fewest):
        if len(chosen) == 1:
            return chosen[0]
    raise DataError(
        f"{where}: shape {tuple(shape)} does not show which axis holds the channels; "
        f"give --axes {' or --axes '.join(GUESSED)}"
    )

"""Encoded pictures, opened with care: formats from a fixed list, sizes bounded before they are decoded."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from chainrule.data.limits import check_size
from chainrule.data.raw import reading
from chainrule.errors import DataError

SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# Whatever a file is called: others of Pillow's formats start programs, or hold no pixels.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
WITH_FRAMES = ("PNG", "GIF", "WEBP", "TIFF")  # what other formats hold beside the picture are previews of it
BYTES = 12  # of a pixel, while it is decoded, converted and turned
USUAL = 2 << 30  # of a picture: 179 million pixels, which is Pillow's own bound too
DEEP = re.compile(r"(I|L|LA|RGB|RGBA|RGBX|RGBa|CMYK);(12|16)")
# Pillow's bound on pixels and Python's warnings are of the whole process.
ALONE = threading.RLock()


@contextmanager
def opened(name: str, file: Path | BytesIO, remarks: list[str] | None = None) -> Iterator[Image.Image]:
    """A picture, of which only the header has been read.

    Pillow's own bound on pixels gives way to ours while it is open, and its warnings become remarks.

    Args:
        name: for messages.
        file: the encoded picture.
        remarks: collects the decoder's warnings.

    Raises:
        DataError: in one line, if it is not a picture of `FORMATS`, is damaged, or too large.
    """
    with ALONE, reading(name), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(file, formats=FORMATS) as image:
                check_size(name, image.width * image.height * BYTES, USUAL)
                yield image
        except UnidentifiedImageError:
            raise DataError(
                f"{name}: cannot be read: it is damaged, or not a picture of a known format ({', '.join(FORMATS)})"
            ) from None
        except MemoryError:
            raise DataError(f"{name}: cannot be read: it needs more memory than is available") from None
        finally:
            Image.MAX_IMAGE_PIXELS = bound
            if remarks is not None:
                remarks += [
                    f"{Path(name).name}: {' '.join(str(warning.message).split())}" for warning in heard
                ]


def frames_of(image: Image.Image) -> int:
    """How many pictures a file holds."""
    return int(getattr(image, "n_frames", 1)) if image.format in WITH_FRAMES else 1


def format_of(image: Image.Image) -> str:
    """What the format is called; cameras write JPEG followed by previews."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def depth_of(image: Image.Image) -> int:
    """Bits of a channel in the file: 1, 8, 16 or 32; of a frame that is not decoded yet.

    Pillow's mode does not show it: Pillow halves 16 bits of colours without a word.
    """
    if image.mode == "1":
        return 1
    if image.mode == "F":
        return 32
    deep = 16 if image.mode.startswith("I;16") else 8
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if tile[0].startswith("ppm") and len(arguments) > 1:
            deep = 16 if int(arguments[1]) > 255 else deep
        elif DEEP.match(str(arguments[0])):
            deep = 16
    return 32 if image.mode == "I" and deep == 8 else deep

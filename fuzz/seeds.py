"""Whole files of every format, and how each is read: what `readers.py` damages."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from chainrule.data import load_data
from chainrule.data.readers.images import read_images
from chainrule.data.reading import Reading


def plain(blob: bytes) -> bytes:
    """A file that is its content."""
    return blob


@dataclass(frozen=True)
class Seed:
    """A whole file.

    Attributes:
        suffix: of its name.
        blob: its content, which is damaged.
        wrap: content → file: checksums, or the container around it.
    """

    suffix: str
    blob: bytes
    wrap: Callable[[bytes], bytes] = plain

    @property
    def file(self) -> bytes:
        """The bytes of the whole file."""
        return self.wrap(self.blob)


@dataclass(frozen=True)
class Reader:
    """What is fuzzed.

    Attributes:
        seeds: makes the whole files.
        read: of a path, with options drawn by chance.
    """

    seeds: Callable[[], list[Seed]]
    read: Callable[[Path, random.Random], object]


# Pictures


def with_crcs(blob: bytes) -> bytes:
    """The chunks of a PNG, each with the checksum of what it holds."""
    out, at = bytearray(blob[:8]), 8
    while at + 12 <= len(blob):
        size = min(int.from_bytes(blob[at : at + 4], "big"), len(blob) - at - 12)
        chunk = blob[at + 4 : at + 8 + size]
        out += blob[at : at + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        at += 12 + size
    return bytes(out)


def pictures() -> list[Seed]:
    """Of every format and mode, plain and with orientation, frames and transparency."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (9, 7, 4), np.uint8))
    deep = Image.fromarray(rng.integers(0, 1 << 16, (9, 7), np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    modes = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
        "JPEG": ("L", "RGB", "CMYK"),
        "BMP": ("1", "L", "P", "RGB"),
        "GIF": ("L", "P"),
        "WEBP": ("L", "RGB", "RGBA"),
        "TIFF": ("1", "L", "LA", "RGB", "RGBA", "CMYK"),
        "PPM": ("1", "L", "RGB"),
    }
    suffixes = {"JPEG": ".jpg", "TIFF": ".tif"}
    made: list[tuple[str, Image.Image, dict]] = [
        (name, colours.convert(mode), {}) for name, several in modes.items() for mode in several
    ]
    frames = [Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)) for _ in range(3)]
    for name in ("PNG", "GIF", "WEBP", "TIFF"):
        made.append((name, colours.convert("RGB"), {"save_all": True, "append_images": frames}))
    for name in ("PNG", "JPEG", "WEBP", "TIFF"):
        made.append((name, colours.convert("RGB"), {"exif": exif}))
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        made.append(("TIFF", colours.convert("RGB"), {"compression": name}))
    made += [("PNG", deep, {}), ("TIFF", deep, {}), ("PPM", deep.convert("I"), {})]
    made.append(("PNG", colours.convert("RGB"), {"transparency": (1, 2, 3)}))
    seeds = []
    for name, image, options in made:
        target = io.BytesIO()
        image.save(target, name, **options)
        wrap = with_crcs if name == "PNG" else plain
        seeds.append(Seed(suffixes.get(name, f".{name.lower()}"), target.getvalue(), wrap))
    return seeds


# Every file can be read by one of these, and each by the last.
PICTURES: tuple[dict, ...] = (
    {"mode": "RGB", "frames": "all"},
    {"mode": "RGBA", "size": (8, 8), "fit": "pad"},
    {"mode": "1", "background": "black"},
    {"mode": "L", "size": (5, 6)},
)


def read_picture(path: Path, chance: random.Random) -> None:
    """With options of every kind."""
    read_images(path, Reading(**chance.choice(PICTURES)))


# Arrays


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    """A .npy file."""
    target = io.BytesIO()
    np.lib.format.write_array(target, array, version=version, allow_pickle=False)
    return target.getvalue()


def zipped(blob: bytes) -> bytes:
    """An .npz of an array x and of labels y, squeezed."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", blob)
        archive.writestr("y.npy", npy(np.arange(30) % 3))
    return target.getvalue()


def arrays() -> list[Seed]:
    """Of every kind of number and shape, alone and in an .npz."""
    rng = np.random.default_rng(0)
    given = [
        rng.integers(0, 2, (30, 6)).astype(bool),
        rng.integers(0, 256, (30, 4, 5), np.uint8),
        rng.integers(0, 256, (30, 4, 4, 3), np.uint8),
        rng.integers(0, 9, (30, 3, 4, 4)),
        rng.integers(0, 300, (30, 7)).astype(">i4"),
        rng.normal(size=(30, 5)).astype(np.float16),
        rng.normal(size=(30, 5)),
        np.asfortranarray(rng.normal(size=(30, 4, 5)).astype(np.float32)),
    ]
    versions = ((1, 0), (2, 0), (3, 0))
    blobs = [npy(array, versions[place % 3]) for place, array in enumerate(given)]
    whole = io.BytesIO()
    labels = {"y_train": np.arange(30), "y_valid": np.arange(5), "y_test": np.arange(4)}
    np.savez(whole, train=given[0], valid=given[0][:5], test=given[0][5:9], **labels)
    return [
        *(Seed(".npy", blob) for blob in blobs),
        *(Seed(".npz", blob, zipped) for blob in blobs),
        Seed(".npz", whole.getvalue()),
    ]


def read_array(path: Path, chance: random.Random) -> None:
    """As data to train on."""
    load_data(path)


READERS = {
    "pictures": Reader(pictures, read_picture),
    "arrays": Reader(arrays, read_array),
}

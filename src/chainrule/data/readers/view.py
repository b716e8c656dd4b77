"""A picture as a viewer shows it, in the size, channels and levels that are asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageColor, ImageOps

from chainrule.data.readers.opened import depth_of
from chainrule.data.reading import Reading
from chainrule.errors import DataError

FILTER = Image.Resampling.BICUBIC  # averages over what it makes smaller
CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
TURNED = range(2, 9)


@dataclass
class View:
    """Decoded pictures → arrays.

    Attributes:
        how: size, fit, mode, background, and the domain if it is known.
        mode: of the result; None for that of each picture, L or RGB.
        found, changed: what was done → to how many pictures; `changed` if the result does not show what the file does.
        remarks: on single pictures.
    """

    how: Reading
    mode: str | None
    found: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def __call__(self, name: str, image: Image.Image) -> np.ndarray:
        """The shades of a picture, or of the frame it stands at.

        Returns:
            (H, W, C) uint8, or what holds the domain's levels; C = 1 for grey, by its pixels.

        Raises:
            DataError: if its depth is not the one asked for.
        """
        mode = self._mode(image)
        self._check_depth(name, image, mode)
        picture = self._upright(name, image)
        if picture.mode[0] == "I":
            picture = self._fit(self._deep(name, picture, mode), mode)
        else:
            picture = self._channels(image, self._fit(self._flat(picture, mode), mode), mode)
        shades = np.asarray(picture)
        if mode == "1":
            self.changed["made black and white at half the shades"] += not set(np.unique(shades)) <= {0, 255}
            shades = (shades >= 128).astype(np.uint8)
        elif mode == "I;16":
            shades = np.rint(shades.clip(0, 65535)).astype(np.uint16)
        return self._levels(shades.reshape(*shades.shape[:2], -1), mode)

    @property
    def background(self) -> str:
        """The colour that transparent pictures are laid on."""
        return self.how.background or "white"

    def _mode(self, image: Image.Image) -> str | None:
        """The mode asked for; or the one with the channels of the known domain."""
        domain = self.how.domain
        if self.mode or domain is None or domain.columns:
            return self.mode
        width, height = reversed(self.how.size) if self.how.size else image.size
        channels, rest = divmod(domain.size, width * height)
        if domain.layout == "image":
            channels, rest = domain.event_shape[0], 0
        if channels == 1 and domain.discrete and domain.max_levels > 256:
            return "I;16"
        return None if rest else CHANNELS.get(channels)

    def _check_depth(self, name: str, image: Image.Image, mode: str | None) -> None:
        depth, grey = depth_of(image), image.mode[0] == "I"
        if depth == 32:
            kind = "reals" if image.mode == "F" else "32 bits"
            raise DataError(
                f"{name}: expected 8 or 16 bits a channel, got {kind}; save such data as a .npy file"
            )
        if mode == "I;16" and not (depth == 16 and grey):
            raise DataError(f"{name}: expected grey of 16 bits, got {depth} bits of mode {image.mode}")
        if depth == 16 and grey and "transparency" in image.info:
            raise DataError(f"{name}: expected no transparency beside 16 bits of grey; save it without")
        if depth < 16 or mode == "I;16":
            return
        if self.mode is None:
            keep = ", or with --mode I;16, which keeps all" if grey else ""
            raise DataError(
                f"{name}: expected 8 bits a channel, got 16; convert it, or read all with "
                f"--mode {'L' if grey else 'RGB'}, which takes the upper 8{keep}"
            )
        self.changed["of 16 bits a channel, of which the upper 8 are taken"] += 1

    def _upright(self, name: str, image: Image.Image) -> Image.Image:
        """Turned as the camera's orientation says."""
        turned = image.format == "TIFF" and _is_turned(image)  # it turns itself as it loads
        image.load()  # outside of `try`: Pillow says once only that a picture is damaged
        try:
            turned = turned or _is_turned(image)
            upright = ImageOps.exif_transpose(image) if turned else image
        except Exception:  # of any kind, in data about a picture that is whole
            self.remarks.append(f"{Path(name).name}: its EXIF data are damaged, it is shown as it is stored")
            return image
        self.changed["turned upright, as their EXIF orientation says"] += turned
        return upright

    def _deep(self, name: str, picture: Image.Image, mode: str | None) -> Image.Image:
        """Grey of 16 bits, as reals, which can be resized; or its upper 8 bits."""
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"{name}: expected shades of 16 bits, got {values.min()} to {values.max()}")
        if mode == "I;16":
            return Image.fromarray(values.astype(np.float32))
        grey = Image.fromarray((values >> 8).astype(np.uint8))
        return grey if mode in ("L", "1") else grey.convert(mode)

    def _flat(self, picture: Image.Image, mode: str | None) -> Image.Image:
        """L, RGB or, if it is to be kept, RGBA: what is transparent shows the background."""
        keep = mode in ("LA", "RGBA")
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            if not keep and picture.getchannel("A").getextrema()[0] < 255:
                self.changed[f"with transparency, laid over {self.background} (--background)"] += 1
                colour = (*ImageColor.getrgb(self.background)[:3], 255)
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture)
                if picture.getcolors(1) is not None:
                    self.changed["all of its colour once laid over it; choose another --background"] += 1
        elif picture.mode in ("1", "L"):
            return picture.convert("RGBA" if keep else "L")
        elif picture.mode in ("CMYK", "YCbCr", "LAB"):
            self.changed[f"of {picture.mode}, turned to RGB"] += 1
            picture = _rgb(picture)
        wanted = "RGBA" if keep else "RGB"
        return picture if picture.mode == wanted else picture.convert(wanted)

    def _channels(self, image: Image.Image, picture: Image.Image, mode: str | None) -> Image.Image:
        """In those of the mode; without one, what is grey by its pixels gets one, however it is stored."""
        if picture.mode != "L":
            pairs = combinations(picture.split()[:3], 2)
            spread = max(int(np.asarray(ImageChops.difference(*pair)).max()) for pair in pairs)
            # What decodes lossy WebP rounds the green of what is grey by itself.
            grey = spread <= (1 if image.format == "WEBP" else 0)
            if not grey and mode in ("1", "L", "LA"):
                self.changed["of colours, made grey"] += 1
            elif grey and mode is None:
                self.found[f"stored as {image.mode}, grey by their pixels"] += 1
                self.changed["grey but for the rounding of lossy WebP, made grey"] += spread
            mode = mode or ("L" if grey else "RGB")
        wanted = {None: "L", "1": "L"}.get(mode, mode)
        return picture if picture.mode == wanted else picture.convert(wanted)

    def _fit(self, picture: Image.Image, mode: str | None) -> Image.Image:
        if self.how.size is None or picture.size == self.how.size[::-1]:
            return picture
        height, width = self.how.size
        fit, same = self.how.fit or "crop", picture.width * height == picture.height * width
        way = {"crop": ", their edges cropped", "pad": ", their edges padded"}.get(fit, ", stretched")
        self.changed[f"resized to {height}x{width}{'' if same else way}"] += 1
        if fit == "crop":
            return ImageOps.fit(picture, (width, height), FILTER)
        if fit == "stretch":
            return picture.resize((width, height), FILTER)
        if picture.mode == "L" and mode in (None, "RGB"):
            picture = picture.convert("RGB")  # the background may be of a colour
        scale = min(height / picture.height, width / picture.width)
        inner = picture.resize([max(1, round(side * scale)) for side in picture.size], FILTER)
        padded = Image.new(picture.mode, (width, height), self._edge(picture.mode))
        padded.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
        return padded

    def _edge(self, mode: str) -> Any:
        """What pads a picture: nothing where transparency is kept, else the background."""
        if mode in ("LA", "RGBA"):
            return (0,) * len(mode)
        if mode == "F":
            return 257 * ImageColor.getcolor(self.background, "L")
        return ImageColor.getcolor(self.background, mode)

    def _levels(self, shades: np.ndarray, mode: str | None) -> np.ndarray:
        """Brought to those of the known domain."""
        domain, own = self.how.domain, levels_of(mode)
        if domain is None or not isinstance(domain.levels, int) or domain.levels == own:
            return shades
        self.changed[f"of {own:,} shades, brought to the {domain.levels:,} levels of {domain}"] += 1
        scaled = np.rint(shades / (own - 1) * (domain.levels - 1))
        return scaled.astype(np.min_scalar_type(domain.levels - 1))


def levels_of(mode: str | None) -> int:
    """The number of levels of a shade in a picture of this mode."""
    return {"1": 2, "I;16": 1 << 16}.get(mode or "", 256)


def _is_turned(image: Image.Image) -> bool:
    return image.getexif().get(ExifTags.Base.Orientation) in TURNED


def _rgb(picture: Image.Image) -> Image.Image:
    """By the picture's own colour profile, if it has one that works."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode == "CMYK":
        try:
            screen = ImageCms.createProfile("sRGB")
            shown = ImageCms.profileToProfile(picture, BytesIO(profile), screen, outputMode="RGB")
        except (ImageCms.PyCMSError, ImportError):
            shown = None
        if shown is not None:
            return shown
    return picture.convert("RGB")

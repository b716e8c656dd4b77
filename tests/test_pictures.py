"""Pictures as a viewer shows them: every format, depth and orientation; sizes bounded before they are decoded."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from typer.testing import CliRunner

import chainrule as cr
from chainrule.cli.app import app
from chainrule.data import Reading, load_data, load_items
from chainrule.data.limits import VARIABLE, check_size, most_bytes
from chainrule.data.readers.images import read_images
from chainrule.errors import DataError
from chainrule.report.pictures import as_pixels, completion_grid, image_grid
from chainrule.training import Run

GREY = np.random.default_rng(0).integers(0, 256, (6, 4), np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (6, 4, 3), np.uint8)
DEEP = np.random.default_rng(2).integers(0, 1 << 16, (6, 4), np.uint16)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def save(path, pixels, mode=None, **options):
    """Pixels, perhaps converted, in the format of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def shown(source, **options):
    """(N, H, W, C) of the pixels of all pictures, and the notes."""
    raw = read_images(source, Reading(**options))
    assert list(raw.arrays) == ["train"]
    return raw.arrays["train"].transpose(0, 2, 3, 1), raw.notes


def png(width, height, depth, colour, rows, *chunks):
    """A PNG of raw rows: what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in every)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# Orientation


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("turn", TURNS)
def test_orientation_is_applied(turn, suffix, tmp_path):
    upright = Image.fromarray(np.repeat(np.repeat(COLOURS, 8, 0), 8, 1))
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = upright.transpose(TURNS[turn])
    options = (
        {"lossless": True}
        if suffix == "webp"
        else {"quality": 100, "subsampling": 0}
        if suffix == "jpg"
        else {}
    )
    save(tmp_path / f"a.{suffix}", stored, exif=exif, **options)
    x, notes = shown(tmp_path / f"a.{suffix}")
    assert np.abs(x[0].astype(int) - np.asarray(upright)).max() <= (4 if suffix == "jpg" else 0)
    assert notes.changed == ["1 picture turned upright, as their EXIF orientation says"]


def test_damaged_exif_is_said_and_the_picture_is_read(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 1, "a picture"
    path = save(tmp_path / "a.jpg", np.repeat(COLOURS, 8, 0), exif=exif)
    data = bytearray(path.read_bytes())
    at = data.index(b"Exif\0\0") + 6
    data[at + 18 : at + 22] = b"\xff\xff\xff\x0f"  # the length of the description
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, notes = shown(path)
    assert x.shape == (1, 48, 4, 3)
    assert len(notes.ignored) == 1 and "a.jpg: Truncated File Read" in notes.ignored[0]


def test_an_orientation_that_cannot_be_read(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image.Image, "getexif", lambda image: 1 / 0)
    x, notes = shown(path)
    assert (x[0, ..., 0] == GREY).all() and "a.png: its EXIF data are damaged" in notes.ignored[0]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(
        DataError, match=r"a\.png: cannot be read"
    ):  # and is not taken for damage of its EXIF data
        shown(path)


# Transparency


def strokes(colour):
    """A stroke of a colour on transparency, a half transparent pixel beside it."""
    pixels = np.zeros((6, 4, 4), np.uint8)
    pixels[2:4, 1:3] = (*colour, 255)
    pixels[0, 0] = (*colour, 128)
    return pixels


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparency_lies_on_the_background(suffix, tmp_path):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", strokes((0, 0, 0)), **options)
    x, notes = shown(path)
    assert x.shape == (1, 6, 4, 1)
    assert (x[0, 2:4, 1:3] == 0).all() and x[0, 5].min() == 255 and x[0, 0, 0, 0] == 127
    assert notes.changed == ["1 picture with transparency, laid over white (--background)"]
    dark, notes = shown(path, background="black")
    assert not dark.any()
    assert notes.changed[-1] == "1 picture all of its colour once laid over it; choose another --background"
    red, _ = shown(path, background="#f00")
    assert red[0, 5].tolist() == [[255, 0, 0]] * 4


def test_transparency_of_every_kind(tmp_path):
    """Of grey, of a palette, and of one colour that stands for none."""
    grey = np.dstack([GREY, np.where(GREY > 99, 255, 0).astype(np.uint8)])
    expected = np.where(GREY > 99, GREY, 255)
    save(tmp_path / "a.png", grey)
    save(tmp_path / "b.png", grey, "RGBA")
    hidden = np.where(GREY > 99, GREY, 7).astype(np.uint8)
    save(tmp_path / "c.png", hidden, transparency=7)
    save(tmp_path / "d.png", hidden, "RGB", transparency=(7, 7, 7))
    palette = Image.fromarray(np.where(GREY > 99, GREY, 0).astype(np.uint8)).convert("P")
    save(tmp_path / "e.gif", palette, transparency=0)
    x, notes = shown(tmp_path)
    assert x.shape == (5, 6, 4, 1) and (x[..., 0] == expected).all()
    assert "5 pictures with transparency, laid over white (--background)" in notes.changed


def test_transparency_can_be_kept(tmp_path):
    save(tmp_path / "a.png", strokes((9, 8, 7)))
    save(tmp_path / "b.png", GREY)
    x, notes = shown(tmp_path, mode="RGBA")
    assert (x[0] == strokes((9, 8, 7))).all() and (x[1, ..., 3] == 255).all() and not notes.changed
    x, notes = shown(tmp_path / "b.png", mode="LA")
    assert (x[0, ..., 0] == GREY).all() and (x[0, ..., 1] == 255).all() and not notes.changed
    assert str(read_images(tmp_path, Reading(mode="RGBA")).domain) == "image:4x6x4:256"


def test_transparency_is_drawn_on_paper():
    domain = cr.Domain.image(4, 6, 4)
    x = torch.from_numpy(strokes((0, 0, 0)).transpose(2, 0, 1)[None].copy())
    drawn = np.asarray(image_grid(x, domain))
    assert drawn.shape[2] == 3 and (drawn[2, 2] == 255).sum() == 0  # a half transparent corner
    assert (as_pixels(x, domain)[0, 5] == 255).all() and (as_pixels(x, domain)[0, 3, 1] == 0).all()
    known = cr.tasks.known_mask(domain, "top")
    rows = np.asarray(completion_grid(x, known, x[:, None], domain))
    kept = rows[:, rows.shape[1] // 3 : 2 * rows.shape[1] // 3]
    assert (kept[-9:-3, 9:-9] == 128).all() and (kept[20:22, 9:-9] != 128).any()  # below, above


# Channels and depths


def test_grey_is_grey_however_it_is_stored(tmp_path):
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", np.dstack([GREY, np.full_like(GREY, 255)]))
    save(tmp_path / "c.gif", GREY)
    save(tmp_path / "d.webp", GREY, "RGB", lossless=True)
    save(tmp_path / "e.tif", GREY, "CMYK")
    save(tmp_path / "f.bmp", GREY, "P")
    save(tmp_path / "g.ppm", GREY, "RGB")
    save(tmp_path / "h.pgm", GREY)
    save(tmp_path / "i.tiff", GREY, "RGBA")
    x, notes = shown(tmp_path)
    assert x.shape == (9, 6, 4, 1) and (x[..., 0] == GREY).all()
    assert any("stored as LA, grey by their pixels" in line for line in notes.found)
    assert "9 pictures: 2 PNG, 2 TIFF, 2 PPM, 1 GIF, 1 WEBP, 1 BMP; 6x4 (height x width)" in notes.found[0]
    assert notes.changed == ["1 picture of CMYK, turned to RGB"]
    save(tmp_path / "z.png", COLOURS)  # one of colours gives all of them three channels
    x, notes = shown(tmp_path)
    assert x.shape == (10, 6, 4, 3) and (x[:9] == GREY[..., None]).all() and (x[9] == COLOURS).all()
    assert "read as RGB" in notes.found[0] and not any("grey" in line for line in notes.found)


def test_lossy_webp_of_grey_is_grey(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    path = save(tmp_path / "a.webp", smooth, quality=80)
    colours = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert (colours.max(-1) - colours.min(-1)).max() == 1  # or this test is of nothing
    x, notes = shown(path)
    assert x.shape == (1, 64, 64, 1) and "rounding of lossy WebP" in notes.changed[0]


def test_the_mode_asked_for(tmp_path):
    save(tmp_path / "a.png", COLOURS)
    save(tmp_path / "b.png", GREY)
    x, notes = shown(tmp_path, mode="L")
    assert (x[0, ..., 0] == np.asarray(Image.fromarray(COLOURS).convert("L"))).all()
    assert notes.changed == ["1 picture of colours, made grey"]
    x, notes = shown(tmp_path / "b.png", mode="RGB")
    assert (x[0] == GREY[..., None]).all() and not notes.changed
    x, notes = shown(tmp_path / "b.png", mode="1")
    assert (x[0, ..., 0] == (GREY >= 128)).all()
    assert notes.changed == ["1 picture made black and white at half the shades"]
    assert str(read_images(tmp_path / "b.png", Reading(mode="1")).domain) == "image:1x6x4:2"


def test_a_picture_has_the_levels_of_its_depth(tmp_path):
    """Whatever shades occur: a dark picture is no picture of two levels."""
    save(tmp_path / "a.png", GREY // 200)
    assert str(read_images(tmp_path, Reading()).domain) == "image:1x6x4:256"
    save(tmp_path / "a.png", (GREY > 99).astype(np.uint8) * 255, "1")
    x, notes = shown(tmp_path)
    assert (x[0, ..., 0] == (GREY > 99)).all() and not notes.changed and "read as 1" in notes.found[0]
    assert str(read_images(tmp_path, Reading()).domain) == "image:1x6x4:2"


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_kept_or_refused(suffix, tmp_path):
    path = save(tmp_path / f"a.{suffix}", DEEP if suffix != "pgm" else Image.fromarray(DEEP).convert("I"))
    with pytest.raises(
        DataError, match=rf"a\.{suffix}: expected 8 bits a channel, got 16; .* --mode I;16, which"
    ):
        read_images(path, Reading())
    raw = read_images(tmp_path, Reading(mode="I;16"))
    assert (raw.arrays["train"][0, 0] == DEEP).all() and str(raw.domain) == "image:1x6x4:65536"
    assert not raw.notes.changed
    x, notes = shown(path, mode="L")
    assert (x[0, ..., 0] == DEEP >> 8).all()
    assert notes.changed == ["1 picture of 16 bits a channel, of which the upper 8 are taken"]
    save(tmp_path / "b.png", GREY)
    with pytest.raises(DataError, match=r"b\.png: expected grey of 16 bits, got 8 bits of mode L"):
        read_images(tmp_path, Reading(mode="I;16"))


@pytest.mark.parametrize("colour, channels", [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_colour_are_not_halved_without_a_word(colour, channels, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (3, 4, channels), np.uint16)
    pixels[..., -1] |= 0xFF00 if channels % 2 == 0 else 0
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    path = tmp_path / "a.png"
    path.write_bytes(png(4, 3, 16, colour, rows))
    with pytest.raises(DataError, match=r"a\.png: expected 8 bits a channel, got 16; .* --mode RGB"):
        read_images(path, Reading())
    x, notes = shown(path, mode="RGB")
    assert (x[0] == pixels[..., : channels // 2 * 2 - 1 if channels != 3 else 3] >> 8).all()
    assert "1 picture of 16 bits a channel, of which the upper 8 are taken" in notes.changed


def test_reals_and_32_bits_are_refused(tmp_path):
    for name, kind, pixels in (
        ("a", "reals", GREY.astype(np.float32)),
        ("b", "32 bits", GREY.astype(np.int32)),
    ):
        path = save(tmp_path / f"{name}.tif", pixels)
        for mode in (None, "L", "I;16"):
            with pytest.raises(
                DataError, match=rf"{name}\.tif: expected 8 or 16 bits a channel, got {kind}; .*npy"
            ):
                read_images(path, Reading(mode=mode))


def test_cmyk_by_its_own_profile(tmp_path, monkeypatch):
    cmyk = Image.fromarray(np.dstack([COLOURS, GREY]), "CMYK")
    path = save(tmp_path / "a.tif", cmyk, icc_profile=b"no profile")
    x, notes = shown(path)
    assert (x[0] == np.asarray(cmyk.convert("RGB"))).all()  # a damaged profile counts as none
    asked = []
    monkeypatch.setattr(
        ImageCms,
        "profileToProfile",
        lambda image, own, *a, **k: asked.append(own.read()) or image.convert("RGB"),
    )
    shown(path)
    assert asked == [b"no profile"] and notes.changed == ["1 picture of CMYK, turned to RGB"]


# Frames


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_frames_by_choice(suffix, tmp_path):
    frames = [Image.new("RGB", (4, 6), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    (tmp_path / "x").mkdir()
    frames[0].save(tmp_path / "x" / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    save(tmp_path / "y" / "b.png", frames[2])
    x, notes = shown(tmp_path)
    assert x[:, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert notes.ignored == ["2 frames after the first of 1 picture; --frames all reads them"]
    raw = read_images(tmp_path, Reading(frames="all"))
    assert raw.arrays["train"][:, :, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 255]]
    assert raw.labels["train"].tolist() == [0, 0, 0, 1]
    assert raw.items["train"] == [*(f"x/a.{suffix} frame {k}" for k in (1, 2, 3)), "y/b.png"]
    assert not raw.notes.ignored and "2 pictures, 4 frames" in raw.notes.found[0]


# Sizes


def test_sizes_differ(tmp_path):
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", np.full((9, 9), 7, np.uint8))
    with pytest.raises(
        DataError, match=r"b\.png: expected 6x4 pixels \(height x width\) as .*a\.png has, got 9x9; .*--size"
    ):
        read_images(tmp_path, Reading())
    x, notes = shown(tmp_path, size=(6, 4))
    assert x.shape == (2, 6, 4, 1) and (x[0, ..., 0] == GREY).all() and (x[1] == 7).all()
    assert notes.changed == ["1 picture resized to 6x4, their edges cropped"]
    assert "2 pictures: 2 PNG; of 2 sizes, 6x4 to 9x9 (height x width); read as L" in notes.found


def test_fits(tmp_path):
    wide = np.zeros((20, 40), np.uint8)
    wide[:, 10:30] = 255  # the middle
    path = save(tmp_path / "a.png", wide)
    crop, _ = shown(path, size=(10, 10))
    assert crop.min() > 200
    pad, notes = shown(path, size=(10, 10), fit="pad", background="#808080")
    assert (pad[0, :2] == 128).all() and (pad[0, -2:] == 128).all() and pad[0, 5, :2].max() == 0
    assert notes.changed == ["1 picture resized to 10x10, their edges padded"]
    stretch, notes = shown(path, size=(10, 10), fit="stretch")
    assert (stretch[0, :, :2] == 0).all() and (stretch[0, :, 4:6] == 255).all()
    assert notes.changed == ["1 picture resized to 10x10, stretched"]
    red, _ = shown(path, size=(10, 10), fit="pad", background="red")  # beside grey
    assert red[0, 0, 0].tolist() == [255, 0, 0] and red[0, 5, 5].tolist() == [255] * 3
    tall, _ = shown(save(tmp_path / "b.png", np.zeros((1000, 1), np.uint8)), size=(4, 4), fit="pad")
    assert tall.shape == (1, 4, 4, 1)  # at least a pixel wide


def test_what_is_made_smaller_is_averaged(tmp_path):
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    x, _ = shown(save(tmp_path / "a.png", board), size=(8, 8))
    assert np.abs(x.astype(int) - 127).max() <= 1
    deep = np.where(board, np.uint16(65535), np.uint16(0))
    x, _ = shown(save(tmp_path / "b.png", deep), size=(8, 8), mode="I;16")
    assert x.dtype == np.uint16 and np.abs(x.astype(int) - 32768).max() < 300


# Safety


def test_only_pictures_are_opened(tmp_path, monkeypatch):
    """PostScript would start Ghostscript, whatever the file is called."""
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("started Ghostscript"))
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    message = r"a\.png: cannot be read: it is damaged, or not a picture of a known format \(PNG, JPEG"
    with pytest.raises(DataError, match=message):
        load_data(tmp_path)
    with pytest.raises(DataError, match=message):
        load_items(path, cr.Domain.image(1, 10, 10))
    with pytest.raises(cr.errors.ChainruleError, match=message):
        cr.tasks.known_mask(cr.Domain.image(1, 10, 10), str(path))


@pytest.mark.parametrize("folder", [True, False])
def test_bombs_are_refused_by_their_headers(folder, tmp_path, monkeypatch):
    rows = b"\0" * 100
    (tmp_path / "a.png").write_bytes(png(30_000, 30_000, 8, 0, rows))
    monkeypatch.setenv(VARIABLE, "100000000")
    source = tmp_path if folder else tmp_path / "a.png"
    with pytest.raises(
        DataError, match=r"a\.png: would take 10\.8 GB of memory, at most 100\.0 MB .*CHAINRULE_MAX"
    ):
        load_items(source, Reading(cr.Domain.image(1, 4, 4), size=(4, 4)))
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(
        DataError, match=r"a\.png: would take 10\.8 GB of memory, at most (2\.1|1\.\d|\d+\.\d M)"
    ):
        read_images(source, Reading(size=(4, 4)))
    (tmp_path / "a.png").write_bytes(png(13_000, 13_000, 8, 0, rows))  # of which Pillow itself warns
    bound = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(), pytest.raises(DataError, match=r"a\.png: "):
        warnings.simplefilter("error")
        read_images(source, Reading(size=(4, 4)))
    assert bound == Image.MAX_IMAGE_PIXELS


def test_all_pictures_together_are_bounded(tmp_path, monkeypatch):
    for k in range(20):
        save(tmp_path / f"{k}.png", np.zeros((40, 50), np.uint8))
    monkeypatch.setenv(VARIABLE, "39000")
    with pytest.raises(DataError, match=r"20 pictures: would take 40\.0 kB of memory, at most 39\.0 kB"):
        read_images(tmp_path, Reading())
    assert shown(tmp_path, size=(8, 8))[0].shape == (20, 8, 8, 1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm"])
def test_truncated_pictures_are_refused_by_name(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for k in range(3):
        save(tmp_path / f"{k}.{suffix}", noise)
    whole = (tmp_path / f"1.{suffix}").read_bytes()
    for share in (0.2, 0.5, 0.9, 0.97):
        (tmp_path / f"1.{suffix}").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match=rf"1\.{suffix}: cannot be read: ") as caught:
            read_images(tmp_path, Reading())
        assert "\n" not in str(caught.value)


def test_sizes_are_bounded(monkeypatch):
    check_size("a.png", most_bytes())
    with pytest.raises(DataError, match=r"a\.png: would take .* of memory, at most .* CHAINRULE_MAX_BYTES"):
        check_size("a.png", most_bytes() + 1)
    monkeypatch.setenv(VARIABLE, "1000")
    check_size("a.png", 1000)
    with pytest.raises(DataError, match=r"would take 1\.0 kB of memory, at most 1\.0 kB"):
        check_size("a.png", 1001)
    for wrong in ("much", "-1", "1e9", "²", "9" * 5000):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(DataError, match="expected a number of bytes"):
            check_size("a.png", 1)


# Folders


def test_links_are_followed_once(tmp_path):
    outside = save(tmp_path / "outside" / "a.png", GREY)
    folder = tmp_path / "folder"
    save(folder / "x" / "b.png", GREY)
    os.symlink(outside.parent, folder / "x" / "link")
    os.symlink(outside, folder / "x" / "c.png")
    os.symlink(folder, folder / "x" / "loop")
    os.symlink(folder / "x" / "self", folder / "x" / "self")
    os.symlink(tmp_path / "nowhere", folder / "x" / "d.png")
    raw = read_images(folder, Reading())
    assert raw.items["train"] == ["x/b.png", "x/c.png", "x/link/a.png"]


def test_the_kind_of_most_files_is_read(tmp_path):
    import soundfile

    for k in range(4):
        soundfile.write(tmp_path / f"{k}.wav", np.zeros(800), 8000)
    save(tmp_path / "cover.jpg", GREY)
    items = load_items(tmp_path, cr.Domain.sequence(64, 256))
    assert any("1 other file: cover.jpg" in line for line in items.notes.ignored)
    for k in range(3):
        save(tmp_path / f"{k}.png", GREY)
    with pytest.raises(
        DataError, match=r"holds equally many images .* and recordings .*; keep each kind in its own folder"
    ):
        load_data(tmp_path)


# What a run keeps


def test_new_pictures_are_prepared_as_those_of_the_run(tmp_path):
    for k in range(6):
        save(tmp_path / "own" / f"{k}.png", np.full((12, 16), 40 * k, np.uint8))
    data = load_data(tmp_path / "own", size="6x4", fit="pad", mode="L", background="black")
    assert str(data.domain) == "image:1x6x4:256" and data.origin["size"] == [6, 4]
    torch.manual_seed(0)
    cr.fit(cr.create_model("independent", data.domain), data, out=tmp_path / "run", steps=1, device="cpu")
    how = Run.open(tmp_path / "run").reading
    assert (how.size, how.fit, how.mode, how.background) == ((6, 4), "pad", "L", "black")
    save(tmp_path / "new.png", np.full((4, 16, 3), (255, 0, 0), np.uint8))
    items = load_items(tmp_path / "new.png", how)
    assert items.names == ("new.png",) and items.x.shape == (1, 1, 6, 4)
    assert (items.x[0, 0, 0] == 0).all() and (items.x[0, 0, 2:4] == 76).any()
    assert [line.split(" picture ")[1] for line in items.notes.changed] == [
        "resized to 6x4, their edges padded", "of colours, made grey",
    ]  # fmt: skip
    folder = tmp_path / "folder"
    save(folder / "new.png", np.full((4, 16, 3), (255, 0, 0), np.uint8))
    assert torch.equal(load_items(folder, how).x, items.x)  # one picture, or a folder


def test_shades_become_the_levels_of_the_domain_and_this_is_said(tmp_path):
    path = save(tmp_path / "a.png", GREY)
    for source in (path, tmp_path):
        items = load_items(source, cr.Domain.image(1, 6, 4, levels=17))
        assert torch.equal(items.x[0, 0].float(), torch.from_numpy(np.rint(GREY / 255 * 16)).float())
        assert items.notes.changed == ["1 picture of 256 shades, brought to the 17 levels of image:1x6x4:17"]
    assert load_items(path, cr.Domain.image(3, 6, 4)).x.shape == (1, 3, 6, 4)
    assert load_items(path, cr.Domain((24,), 256)).x.shape == (1, 24)
    save(path, COLOURS)
    assert load_items(path, cr.Domain((24,), 256)).notes.changed == ["1 picture of colours, made grey"]
    with pytest.raises(
        DataError, match=r"a\.png: expected 8x8 pixels .* of image:1x8x8:256, got 6x4; .*--size 8x8"
    ):
        load_items(path, cr.Domain.image(1, 8, 8))


def test_options_that_make_no_sense(tmp_path):
    save(tmp_path / "a.png", GREY)
    for options, message in (
        ({"size": "big"}, r"size: expected HEIGHTxWIDTH such as 64x48, .* got 'big'"),
        ({"size": "4x4x4"}, "size: expected"),
        ({"size": 0}, "size: expected"),
        ({"size": True}, "size: expected"),
        ({"size": "²"}, "size: expected"),
        ({"size": 4, "fit": "wide"}, "fit: expected crop, pad, stretch, got 'wide'"),
        ({"fit": "pad"}, "fit: expected a size as well"),
        ({"mode": "grey"}, "mode: expected 1, L, LA, RGB, RGBA, I;16, got 'grey'"),
        ({"frames": "some"}, "frames: expected first, all, got 'some'"),
        ({"background": "sky"}, r"background: expected a colour such as white, black or #80ff00, got 'sky'"),
        ({"background": "#ffffff80"}, "background: expected"),
        ({"background": 7}, "background: expected"),
        ({"axes": "NHWC"}, "axes are for arrays"),
    ):
        with pytest.raises(DataError, match=message):
            load_data(tmp_path, **options)
    np.save(tmp_path / "b.npy", np.zeros((9, 4)))
    with pytest.raises(DataError, match="size is for images, expected none"):
        load_data(tmp_path / "b.npy", size=4)


def test_the_command_says_what_it_found(tmp_path):
    for k in range(8):
        save(tmp_path / f"{k}.png", strokes((0, 0, 0)))
    said = CliRunner().invoke(app, ["data", str(tmp_path), "--size", "8x6", "--fit", "pad"]).stdout
    assert "found: 8 pictures: 8 PNG; 6x4 (height x width); read as L" in said
    assert "changed: 8 pictures with transparency, laid over white (--background)" in said
    assert "changed: 8 pictures resized to 8x6, their edges padded" in said
    said = CliRunner().invoke(app, ["data", str(tmp_path), "--mode", "RGBA", "--json"]).stdout
    assert '"domain": "image:4x6x4:256"' in said


# Axes of arrays


def axes_of(tmp_path, shape, **options):
    """(N, C, H, W) of an array whose values are its flat indices."""
    array = np.arange(np.prod(shape)).reshape(shape) % 251
    np.save(tmp_path / "a.npy", array)
    data = load_data(tmp_path / "a.npy", **options)
    every = torch.cat([data.train, data.valid, data.test])
    return array, every[every.flatten(1).float()[:, 0].argsort()], data


@pytest.mark.parametrize(
    "shape, event",
    [
        ((10, 8, 8, 4), (4, 8, 8)),  # was 8 channels
        ((10, 8, 8, 2), (2, 8, 8)),
        ((10, 5, 7, 3), (3, 5, 7)),
        ((10, 5, 7, 1), (1, 5, 7)),
        ((10, 4, 5, 7), (4, 5, 7)),
        ((10, 4, 4, 3), (3, 4, 4)),
        ((10, 3, 4, 4), (3, 4, 4)),
        ((10, 4, 6, 3), (3, 4, 6)),
        ((10, 6, 8, 8), (6, 8, 8)),
        ((10, 8, 8, 6), (6, 8, 8)),
    ],
)
def test_axes_are_told_from_the_sizes(shape, event, tmp_path):
    _, _, data = axes_of(tmp_path, shape)
    assert data.domain.event_shape == event
    assert any("axes NHWC" in line for line in data.notes.found) == (shape[1:] != event)


@pytest.mark.parametrize("shape", [(10, 3, 5, 3), (10, 8, 8, 8), (10, 5, 6, 7)])
def test_axes_in_doubt_are_asked_for(shape, tmp_path):
    with pytest.raises(
        DataError, match=r"a\.npy: shape .* does not show which axis holds the channels; give --axes NCHW or"
    ):
        axes_of(tmp_path, shape)
    for axes, event in (("NCHW", shape[1:]), ("NHWC", (shape[3], *shape[1:3]))):
        assert axes_of(tmp_path, shape, axes=axes)[2].domain.event_shape == event


@pytest.mark.parametrize(
    "axes, shape, order",
    [
        ("HWCN", (4, 5, 3, 10), (3, 2, 0, 1)),
        ("NWH", (10, 4, 5), (0, 2, 1)),
        ("HWN", (4, 5, 10), (2, 0, 1)),
        ("CN", (4, 10), (1, 0)),
    ],
)
def test_axes_in_any_order(axes, shape, order, tmp_path):
    array, _, data = axes_of(tmp_path, shape, axes=axes)
    every = torch.cat([data.train, data.valid, data.test]).reshape(10, -1)
    expected = array.transpose(order).reshape(10, -1)
    assert sorted(every.tolist()) == sorted(expected.tolist())


def test_axes_that_make_no_sense(tmp_path):
    for axes in ("HWC", "NNHW", "NHC", "nhwc", "N", ""):
        with pytest.raises(DataError, match="axes: expected N items"):
            axes_of(tmp_path, (10, 4, 4, 3), axes=axes)
    with pytest.raises(DataError, match=r"axes NHWC: expected an array of 4 axes, got shape \(10, 4, 4\)"):
        axes_of(tmp_path, (10, 4, 4), axes="NHWC")


def test_axes_of_new_arrays_are_those_of_the_domain(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 4), np.uint8)
    np.save(tmp_path / "last.npy", x)
    np.save(tmp_path / "first.npy", x.transpose(0, 3, 1, 2))
    how = Reading(cr.Domain.image(4, 8, 8), axes="NHWC")
    last, first = (load_items(tmp_path / f"{name}.npy", how).x for name in ("last", "first"))
    assert torch.equal(last, first) and torch.equal(first, torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))

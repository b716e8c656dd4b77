"""What `compress` packs, `decompress` gives back as it was, or `compress` refuses it: of every kind of source."""

import io
import json
import zlib

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

import chainrule as cr
from chainrule.coding.about import pack, unpack
from chainrule.coding.container import Reader
from chainrule.coding.items import write_items
from chainrule.data import load_items
from chainrule.domain.column import Column
from chainrule.domain.mu_law import expand_samples
from chainrule.errors import ChainruleError, CodeError, DataError
from chainrule.tasks.compress import pack_items, pack_stream
from chainrule.tasks.decompress import decompress_file
from chainrule.tasks.packing import stream_of
from chainrule.tasks.packing.source import write_arrays
from chainrule.training import Run
from test_cli import call

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TINY = {"made": {"hidden": [4]}, "gru": {"width": 4}}


def run_of(domain, name="uniform", **config):
    """A run of an untrained model, with what a configuration would say of its data."""
    classes = {"classes": config.pop("classes")} if "classes" in config else {}
    torch.manual_seed(0)
    return Run(None, cr.create_model(name, domain, **classes, **TINY.get(name, {})).eval(), config, [])


def packed(run, source, out, split=None, items=None, **options):
    """As the command does."""
    stream = stream_of(run, str(source), split)
    if stream is not None:
        return pack_stream(run, stream, out, **options)
    given = load_items(str(source), run.reading, split=split, cut=False)
    return pack_items(run, str(source), given.first(items), len(given), out, **options)


def back(run, source, out, folder, **options):
    """What was compressed, and how much of it."""
    told = packed(run, source, folder / "x.chr", **options)
    (folder / "x.chr").stat()
    decompress_file(run, folder / "x.chr", out)
    (folder / "x.chr").unlink()
    return told


@pytest.fixture
def fresh(tmp_path):
    """A new folder each time."""
    count = iter(range(10**6))

    def make():
        folder = tmp_path / str(next(count))
        folder.mkdir()
        return folder

    return make


# --- texts ---------------------------------------------------------------------------------------

VOCABULARY = "\n\r abé\ufeff\U0001f600\x0c\u2028"
BOM = b"\xef\xbb\xbf"


@QUICK
@given(
    text=st.text(VOCABULARY, min_size=1, max_size=60),
    bom=st.booleans(),
    lengths=st.sampled_from(["fixed", "given"]),
)
def test_a_text_of_characters_comes_back_byte_for_byte(fresh, text, bom, lengths):
    """Shorter than a window, with a last window that is not full, with any line ends."""
    folder, run = fresh(), run_of(cr.Domain.sequence(16, 12, lengths=lengths), vocabulary=VOCABULARY)
    content = BOM * bom + (text.lstrip("\ufeff") or "a").encode()
    (folder / "a.txt").write_bytes(content)
    told = back(run, folder / "a.txt", folder / "b.txt", folder)
    assert (folder / "b.txt").read_bytes() == content
    characters = len(content.decode("utf-8-sig"))
    assert (told["packed"], told["of"], told["unit"]) == (characters, characters, "characters")
    assert told["verified"] and told["bytes"] == len(content)


def test_a_long_text_is_coded_in_few_long_rows_and_comes_back(tmp_path):
    run = run_of(cr.Domain.sequence(4, 4), "gru", vocabulary="abc\n")
    content = np.random.default_rng(0).choice(list(b"abc\n"), 20_001).astype(np.uint8).tobytes()
    (tmp_path / "a.txt").write_bytes(content)
    told = back(run, tmp_path / "a.txt", tmp_path / "b.txt", tmp_path, runner="eager")
    assert (tmp_path / "b.txt").read_bytes() == content and told["packed"] == 20_001


def test_more_characters_than_a_byte_holds(tmp_path):
    vocabulary = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    run = run_of(cr.Domain.sequence(8, 300), vocabulary=vocabulary)
    (tmp_path / "a.txt").write_text(vocabulary * 3, encoding="utf-8")
    back(run, tmp_path / "a.txt", tmp_path / "b.txt", tmp_path)
    assert (tmp_path / "b.txt").read_text(encoding="utf-8") == vocabulary * 3


def test_a_character_that_the_run_does_not_know_is_refused_by_name(tmp_path):
    run = run_of(cr.Domain.sequence(4, 2), vocabulary="ab")
    (tmp_path / "a.txt").write_text("abac")
    with pytest.raises(DataError, match="'c'"):
        packed(run, tmp_path / "a.txt", tmp_path / "x.chr")
    assert not (tmp_path / "x.chr").exists()


def test_a_text_in_another_encoding_is_refused_before_it_is_coded(tmp_path):
    run = run_of(cr.Domain.sequence(4, 2), vocabulary="ab")
    (tmp_path / "a.txt").write_text("abab", encoding="utf-16")
    with pytest.raises(ChainruleError):
        packed(run, tmp_path / "a.txt", tmp_path / "x.chr")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("abab")
    with pytest.raises(ChainruleError, match="packed one by one"):
        packed(run, tmp_path / "in", tmp_path / "x.chr")
    assert not (tmp_path / "x.chr").exists()


@QUICK
@given(
    lines=st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    bom=st.booleans(),
)
def test_lines_come_back_with_their_ends(fresh, lines, end, last, bom):
    folder, run = fresh(), run_of(cr.Domain.sequence(5, 4, lengths="ends"), vocabulary="abc")
    content = BOM * bom + (end.join(lines) + end * last).encode()
    (folder / "a.txt").write_bytes(content)
    told = back(run, folder / "a.txt", folder / "b.txt", folder)
    assert (folder / "b.txt").read_bytes() == content
    assert (told["packed"], told["of"], told["unit"]) == (len(lines), len(lines), "lines")


@pytest.mark.parametrize(
    ("content", "why"), [(b"ab\n\nc\n", "empty"), (b"ab\r\nc\n", "line ends"), (b"a\nb\n\n", "empty")]
)
def test_lines_that_would_not_come_back_are_refused(tmp_path, content, why):
    run = run_of(cr.Domain.sequence(5, 4, lengths="ends"), vocabulary="abc")
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ChainruleError, match=f"cannot be restored exactly.*{why}.*model of bytes"):
        packed(run, tmp_path / "a.txt", tmp_path / "x.chr")
    assert not (tmp_path / "x.chr").exists()


# --- arrays --------------------------------------------------------------------------------------

TYPES = ["u1", "<i2", ">i4", "<i8", "<f4", "<f8", "?"]


@st.composite
def array(draw, shape, levels):
    kind = np.dtype(draw(st.sampled_from(TYPES)))
    values = draw(st.lists(st.integers(0, (2 if kind.kind == "b" else levels) - 1), min_size=8, max_size=8))
    return np.resize(np.array(values), shape).astype(kind)


SHAPES = {
    (6,): cr.Domain.categorical(6, 3),
    (2, 3): cr.Domain.image(1, 2, 3, levels=3),
    (3, 2, 2): cr.Domain.image(3, 2, 2, levels=3),
    (2, 2, 3): cr.Domain.image(3, 2, 2, levels=3),
    (4, 2): cr.Domain.sequence(4, 3, width=2),
}


def same(one, other):
    assert one.keys() == other.keys()
    for name, was in one.items():
        assert (was.dtype, was.shape) == (other[name].dtype, other[name].shape)
        assert np.array_equal(was, other[name])


@QUICK
@given(data=st.data())
def test_arrays_come_back_with_names_types_and_labels(fresh, data):
    folder, shape = fresh(), data.draw(st.sampled_from(list(SHAPES)))
    conditional = data.draw(st.booleans())
    domain = SHAPES[shape]
    run = run_of(domain, "made", classes=4) if conditional else run_of(domain)
    splits = data.draw(st.sampled_from([("x",), ("x_train", "x_val"), ("train", "valid", "test")]))
    arrays = {name: data.draw(array((data.draw(st.integers(1, 5)), *shape), 3)) for name in splits}
    if conditional or data.draw(st.booleans()):
        labels = {"x": "y", "x_train": "y_train", "x_val": "y_val"}
        for name in splits:
            arrays[labels.get(name, f"y_{name}")] = data.draw(array(len(arrays[name]), 4)).astype(np.int16)
    names = data.draw(st.permutations(list(arrays)))
    np.savez(folder / "a.npz", **{name: arrays[name] for name in names})
    told = back(run, folder / "a.npz", folder / "b.npz", folder)
    with np.load(folder / "b.npz") as found:
        same(arrays, dict(found))
    rows = sum(len(arrays[name]) for name in splits)
    assert (told["packed"], told["of"]) == (rows, rows)


@QUICK
@given(values=array((7, 6), 3))
def test_a_single_array_comes_back(fresh, values):
    folder = fresh()
    np.save(folder / "a.npy", values)
    back(run_of(cr.Domain.categorical(6, 3)), folder / "a.npy", folder / "b.npy", folder)
    same({"": values}, {"": np.load(folder / "b.npy")})


@pytest.mark.parametrize("name", ["file", "allow_pickle", "args", "x"])
def test_arrays_may_have_any_name(tmp_path, name):
    arrays = {name: np.arange(18).reshape(3, 6) % 3}
    write_arrays(tmp_path / "a.npz", arrays)
    back(run_of(cr.Domain.categorical(6, 3)), tmp_path / "a.npz", tmp_path / "b.npz", tmp_path)
    with np.load(tmp_path / "b.npz") as found:
        same(arrays, dict(found))


def test_arrays_that_no_model_reads_are_not_lost_unseen(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 6), int), w=np.ones(3))
    with pytest.raises(ChainruleError, match=r"array w, float64 \(3,\), would be lost; save it elsewhere"):
        packed(run_of(cr.Domain.categorical(6, 3)), tmp_path / "a.npz", tmp_path / "x.chr")


def test_labels_are_never_dropped_by_the_form_of_the_output(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 6), int), y=np.arange(3))
    run = run_of(cr.Domain.categorical(6, 3))
    packed(run, tmp_path / "a.npz", tmp_path / "x.chr")
    with pytest.raises(ChainruleError, match=r"would lose the labels; expected the ending \.npz"):
        decompress_file(run, tmp_path / "x.chr", tmp_path / "b.npy")


def test_a_negative_zero_is_another_value(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.0, 1, 2], [-0.0, 1, 1]]))
    with pytest.raises(ChainruleError, match=r"cannot be restored exactly.*values would differ"):
        packed(run_of(cr.Domain.categorical(3, 3)), tmp_path / "a.npy", tmp_path / "x.chr")


def test_a_part_is_packed_where_it_is_asked_for(tmp_path):
    arrays = {"x_train": np.arange(12).reshape(6, 2) % 3, "x_test": np.ones((4, 2), np.uint8)}
    np.savez(tmp_path / "a.npz", **arrays)
    run = run_of(cr.Domain.categorical(2, 3))
    told = back(run, tmp_path / "a.npz", tmp_path / "b.npz", tmp_path, split="test")
    assert (told["packed"], told["of"]) == (4, 4)
    with np.load(tmp_path / "b.npz") as found:
        same({"x_test": arrays["x_test"]}, dict(found))
    told = back(run, tmp_path / "a.npz", tmp_path / "c.npz", tmp_path, items=7)
    assert (told["packed"], told["of"]) == (7, 10)
    with np.load(tmp_path / "c.npz") as found:
        same({"x_train": arrays["x_train"], "x_test": arrays["x_test"][:1]}, dict(found))


def test_a_split_that_a_source_does_not_have_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((60, 3), int))
    with pytest.raises(DataError, match=r"no split 'test' of its own.*leave out --split"):
        packed(run_of(cr.Domain.categorical(3, 3)), tmp_path / "a.npy", tmp_path / "x.chr", split="test")


# --- tables --------------------------------------------------------------------------------------

COLUMNS = (
    Column("age", "integer", missing=True),
    Column("sex", "categorical", ("f", "m, other"), missing=True),
    Column("grade", "categorical", (1, 2, 3)),
    Column("member", "categorical", (False, True)),
)
ROW = st.tuples(
    st.none() | st.integers(-300, 300),
    st.none() | st.sampled_from(["f", "m, other"]),
    st.integers(1, 3),
    st.booleans(),
)


def table_of(rows, order, types=()):
    table = pa.table(
        {column.name: [row[d] for row in rows] for d, column in enumerate(COLUMNS)},
        schema=pa.schema(dict(zip([c.name for c in COLUMNS], types, strict=True))),
    )
    return table.select(order)


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=8), data=st.data())
def test_a_parquet_table_comes_back_with_order_and_types(fresh, rows, data):
    folder = fresh()
    run = run_of(cr.Domain.table(COLUMNS), "fvsbn")
    order = data.draw(st.permutations([column.name for column in COLUMNS]))
    text = data.draw(
        st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    )
    number = data.draw(st.sampled_from([pa.int64(), pa.float64(), pa.int16()]))
    grade = data.draw(st.sampled_from([pa.int8(), pa.float32()]))
    table = table_of(rows, order, (number, text, grade, pa.bool_()))
    parquet.write_table(table, folder / "a.parquet")
    told = back(run, folder / "a.parquet", folder / "b.parquet", folder)
    found = parquet.read_table(folder / "b.parquet")
    assert found.schema.types == table.schema.types and found.to_pydict() == table.to_pydict()
    assert list(found.to_pydict()) == order
    assert (told["packed"], told["of"], told["unit"]) == (len(rows), len(rows), "rows")


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=8), data=st.data())
def test_the_cells_of_a_csv_come_back(fresh, rows, data):
    folder = fresh()
    run = run_of(cr.Domain.table(COLUMNS), "fvsbn")
    order = data.draw(st.permutations([column.name for column in COLUMNS]))
    separator = data.draw(st.sampled_from(";,\t"))
    places = [[column.name for column in COLUMNS].index(name) for name in order]
    lines = [order] + [["" if row[d] is None else str(row[d]) for d in places] for row in rows]
    text = "".join(
        separator.join(f'"{cell}"' if "," in cell else cell for cell in line) + "\n" for line in lines
    )
    (folder / "a.csv").write_text(text)
    back(run, folder / "a.csv", folder / "b.csv", folder)
    one, other = ((folder / name).read_text() for name in ("a.csv", "b.csv"))
    assert other == one


def test_a_table_of_small_numbers_keeps_its_names(tmp_path):
    (tmp_path / "a.csv").write_text("b,a\n0,1\n1,2\n0,0\n")
    back(run_of(cr.Domain.categorical(2, (2, 3))), tmp_path / "a.csv", tmp_path / "b.csv", tmp_path)
    assert (tmp_path / "b.csv").read_text() == "b,a\n0,1\n1,2\n0,0\n"


def test_a_table_without_a_header_gets_none(tmp_path):
    (tmp_path / "a.csv").write_text("0,1\n1,2\n0,0\n")
    back(run_of(cr.Domain.categorical(2, (2, 3))), tmp_path / "a.csv", tmp_path / "b.csv", tmp_path)
    assert (tmp_path / "b.csv").read_text() == "0,1\n1,2\n0,0\n"


# --- pictures ------------------------------------------------------------------------------------


def picture(mode, seed=0, size=(3, 2)):
    generator, (width, height) = np.random.default_rng(seed), size
    if mode == "1":
        return Image.fromarray(generator.integers(0, 2, (height, width), dtype=np.uint8) * 255).convert("1")
    if mode == "I;16":
        return Image.fromarray(generator.integers(0, 65536, (height, width), dtype=np.uint16))
    if mode == "P":
        colours = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        return colours.quantize(4)
    bands = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = generator.integers(0, 256, (height, width, *bands), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pictures_come_back_pixel_for_pixel_or_are_refused(tmp_path, mode, alone):
    """Which modes a model reads is not this test's concern: only that no pixel, name or channel is lost unseen."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    names = ["a.png", "sub/b.png"]
    for i, name in enumerate(names):
        picture(mode, i).save(tmp_path / "in" / name)
    came = 0
    for channels in (1, 2, 3, 4):
        for levels in (2, 256, 65536):
            run = run_of(cr.Domain.image(channels, 2, 3, levels))
            source = tmp_path / "in" / names[0] if alone else tmp_path / "in"
            out = tmp_path / f"{channels}-{levels}{'.png' if alone else ''}"
            try:
                told = back(run, source, out, tmp_path)
            except ChainruleError:
                assert not out.exists() and not (tmp_path / "x.chr").exists()
                continue
            came += 1
            assert told["packed"] == told["of"] == (1 if alone else 2)
            for name in names[: told["packed"]]:
                was, now = Image.open(tmp_path / "in" / name), Image.open(out if alone else out / name)
                assert now.mode == was.mode if mode != "P" else now.mode in ("L", "RGB", "RGBA")
                shown = was.convert("RGB") if mode == "P" else was
                assert np.array_equal(np.asarray(shown), np.asarray(now.convert(shown.mode)))
            assert alone or sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == names
    assert came or mode in ("LA", "RGBA", "I;16")


def test_opaque_pictures_keep_their_alpha(tmp_path):
    (tmp_path / "in").mkdir()
    opaque = picture("RGB").convert("RGBA")
    opaque.save(tmp_path / "in" / "a.png")
    back(run_of(cr.Domain.image(3, 2, 3, 256)), tmp_path / "in", tmp_path / "out", tmp_path)
    found = Image.open(tmp_path / "out" / "a.png")
    assert found.mode == "RGBA" and np.array_equal(np.asarray(found), np.asarray(opaque))


def test_a_jpeg_comes_back_as_the_png_of_its_pixels(tmp_path):
    (tmp_path / "in" / "cats").mkdir(parents=True)
    picture("RGB", size=(8, 8)).save(tmp_path / "in" / "cats" / "a.jpg")
    picture("RGB", size=(8, 8)).save(tmp_path / "in" / "cats" / "b.bmp")
    run = run_of(cr.Domain.image(3, 8, 8, 256))
    back(run, tmp_path / "in", tmp_path / "out", tmp_path)
    for name in ("a.jpg", "b.bmp"):
        was = Image.open(tmp_path / "in" / "cats" / name)
        now = Image.open((tmp_path / "out" / "cats" / name).with_suffix(".png"))
        assert np.array_equal(np.asarray(was), np.asarray(now))
    picture("RGB", size=(8, 8)).save(tmp_path / "in" / "cats" / "a.png")
    with pytest.raises(ChainruleError, match=r"several would be called cats/a\.png; rename them"):
        packed(run, tmp_path / "in", tmp_path / "x.chr")


def test_pictures_of_two_levels_keep_their_shades(tmp_path):
    (tmp_path / "in").mkdir()
    shades = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    Image.fromarray(shades).save(tmp_path / "in" / "a.png")
    run = run_of(cr.Domain.image(1, 2, 3, 2))
    back(run, tmp_path / "in" / "a.png", tmp_path / "b.png", tmp_path)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), shades)
    Image.fromarray(shades // 2).save(tmp_path / "in" / "a.png")
    with pytest.raises(ChainruleError, match="cannot be restored exactly"):
        packed(run, tmp_path / "in" / "a.png", tmp_path / "x.chr")


def test_a_picture_that_is_turned_when_it_is_read_is_refused(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture("L").save(tmp_path / "a.png", exif=exif)
    with pytest.raises(ChainruleError, match="cannot be restored exactly: its pixels would differ"):
        packed(run_of(cr.Domain.image(1, 2, 3, 256)), tmp_path / "a.png", tmp_path / "x.chr")


def test_the_frames_of_a_file_are_not_lost_unseen(tmp_path):
    frames = [picture("L", i) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ChainruleError, match="3 frames would be one"):
        packed(run_of(cr.Domain.image(1, 2, 3, 256)), tmp_path / "a.gif", tmp_path / "x.chr")


def test_colours_of_16_bits_are_not_halved_unseen(tmp_path):
    """Pillow reads them as 8 bits and does not say so."""
    (tmp_path / "in").mkdir()
    rows = b"".join(b"\0" + bytes(range(18)) for _ in range(2))
    chunks = [(b"IHDR", b"\0\0\0\3\0\0\0\2\x10\2\0\0\0"), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    with (tmp_path / "in" / "a.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in chunks:
            file.write(len(content).to_bytes(4, "big") + name + content)
            file.write(zlib.crc32(name + content).to_bytes(4, "big"))
    for levels in (256, 65536):
        with pytest.raises(ChainruleError):
            packed(run_of(cr.Domain.image(3, 2, 3, levels)), tmp_path / "in", tmp_path / "x.chr")


def test_all_pictures_of_classes_and_splits_are_packed(tmp_path):
    names = [
        f"{split}/{kind}/{i}.png" for split in ("train", "test") for kind in ("bee", "cow") for i in range(3)
    ]
    for i, name in enumerate(names):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        picture("L", i).save(tmp_path / "in" / name)
    run = run_of(cr.Domain.image(1, 2, 3, 256), "made", classes=2, labels={"class": ["bee", "cow"]})
    told = back(run, tmp_path / "in", tmp_path / "out", tmp_path)
    assert (told["packed"], told["of"], told["unit"]) == (12, 12, "pictures")
    for name in names:
        was, now = (np.asarray(Image.open(tmp_path / root / name)) for root in ("in", "out"))
        assert np.array_equal(was, now)


def test_other_files_among_the_pictures_are_not_lost_unseen(tmp_path):
    (tmp_path / "in").mkdir()
    picture("L").save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / ".readme").write_text("x")
    with pytest.raises(
        ChainruleError, match=r"\.readme would be lost; move files that are not pictures elsewhere"
    ):
        packed(run_of(cr.Domain.image(1, 2, 3, 256)), tmp_path / "in", tmp_path / "x.chr")


# --- sounds --------------------------------------------------------------------------------------

BITS = cr.Domain.sequence(16, 65536, lengths="given")
MU_LAW = cr.Domain.sequence(16, 256, lengths="given")


def sound(seed, length):
    return np.random.default_rng(seed).integers(-32768, 32768, length).astype(np.int16)


@pytest.mark.parametrize("length", [1, 16, 100])
@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_a_sound_comes_back_sample_for_sample(tmp_path, length, ending):
    soundfile.write(tmp_path / f"a{ending}", sound(0, length), 8000)
    told = back(run_of(BITS, rate=8000), tmp_path / f"a{ending}", tmp_path / f"b{ending}", tmp_path)
    found, rate = soundfile.read(tmp_path / f"b{ending}", dtype="int16")
    assert np.array_equal(found, sound(0, length)) and rate == 8000
    assert (told["packed"], told["of"], told["unit"]) == (length, length, "samples")


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("levels", [256, 65536])
def test_all_recordings_of_a_folder_come_back(tmp_path, classes, levels):
    """Shorter and longer than a window, of several classes; under μ-law if it rounds none of their samples."""
    lengths = {"bee/a.wav": 5, "bee/b.flac": 16, "cow/a.wav": 40, "cow/c.wav": 33}
    for i, (name, length) in enumerate(lengths.items()):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        samples = sound(i, length) if levels == 65536 else expand_samples(sound(i, length).astype(np.uint8))
        soundfile.write(tmp_path / "in" / name, samples, 8000)
    domain = cr.Domain.sequence(16, levels, lengths="given")
    names = {"labels": {"class": ["bee", "cow"]}}
    run = run_of(domain, "gru", classes=2, rate=8000, **names) if classes else run_of(domain, rate=8000)
    told = back(run, tmp_path / "in", tmp_path / "out", tmp_path)
    for name, length in lengths.items():
        was, now = (soundfile.read(tmp_path / root / name, dtype="int16")[0] for root in ("in", "out"))
        assert len(was) == length and np.array_equal(was, now)
        assert soundfile.info(tmp_path / "out" / name).format == name.rpartition(".")[2].upper()
    assert (told["packed"], told["of"], told["unit"]) == (94, 94, "samples")


def test_windows_of_fixed_length_lose_no_step_either(tmp_path):
    (tmp_path / "in").mkdir()
    for i, length in enumerate((16, 17, 40)):
        soundfile.write(tmp_path / "in" / f"{i}.wav", sound(i, length), 8000)
    back(run_of(cr.Domain.sequence(16, 65536), rate=8000), tmp_path / "in", tmp_path / "out", tmp_path)
    for i, length in enumerate((16, 17, 40)):
        found, _ = soundfile.read(tmp_path / "out" / f"{i}.wav", dtype="int16")
        assert np.array_equal(found, sound(i, length))


def test_the_labels_of_recordings_come_back(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(2):
        soundfile.write(tmp_path / "in" / f"{i}.wav", sound(i, 20), 8000)
    (tmp_path / "in" / "metadata.csv").write_text("file,digit\n0.wav,7\n1.wav,3\n")
    back(run_of(BITS, rate=8000), tmp_path / "in", tmp_path / "out", tmp_path)
    assert (tmp_path / "out" / "metadata.csv").read_text() == "file,digit\n0.wav,7\n1.wav,3\n"


@pytest.mark.parametrize("several", [False, True])
def test_what_mu_law_would_round_is_refused(tmp_path, several):
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "a.wav"
    soundfile.write(source, sound(0, 40), 8000)
    with pytest.raises(ChainruleError, match=r"μ-law would round.*model of 16 bits"):
        packed(run_of(MU_LAW, rate=8000), source.parent if several else source, tmp_path / "x.chr")
    exact = expand_samples(np.arange(256))
    soundfile.write(source, exact, 8000)
    back(run_of(MU_LAW, rate=8000), source, tmp_path / "b.wav", tmp_path)
    assert np.array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], exact)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("what", ["stereo", "float", "rate", "24 bits"])
def test_sounds_that_are_changed_when_they_are_read_are_refused(tmp_path, what, several):
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "a.wav"
    samples = sound(0, 40)
    stereo = np.stack([samples, samples], 1)
    kinds = {"float": "FLOAT", "24 bits": "PCM_24"}
    soundfile.write(
        source,
        stereo if what == "stereo" else samples,
        16000 if what == "rate" else 8000,
        kinds.get(what, "PCM_16"),
    )
    with pytest.raises(ChainruleError):
        packed(run_of(BITS, rate=8000), source.parent if several else source, tmp_path / "x.chr")
    assert not (tmp_path / "x.chr").exists()


# --- what is checked -----------------------------------------------------------------------------


def test_piano_rolls_of_a_named_set_lose_no_step(tmp_path, monkeypatch):
    from chainrule.data.raw import Raw
    from chainrule.data.sets.named import NAMED, Entry

    rolls = [np.random.default_rng(i).integers(0, 2, (length, 3)) for i, length in enumerate((5, 8, 21))]
    domain = cr.Domain.sequence(8, 2, width=3, lengths="given")
    entry = Entry(
        "", lambda: Raw("tunes", "tunes", streams={"train": rolls[:2], "test": rolls[2:]}, domain=domain)
    )
    monkeypatch.setitem(NAMED, "tunes", entry)
    told = back(run_of(domain), "tunes", tmp_path / "b.npz", tmp_path)
    with np.load(tmp_path / "b.npz") as found:
        assert np.array_equal(found["x"], np.concatenate(rolls)) and found["lengths"].tolist() == [5, 8, 21]
    assert (told["packed"], told["of"], told["unit"]) == (34, 34, "steps")


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("kind", ["stream", "items"])
def test_what_comes_back_otherwise_is_not_kept(tmp_path, monkeypatch, kind, verify):
    """As where a processor errs: what is decoded is held against the source, through the file that was written."""
    import chainrule.coding.items as items
    import chainrule.coding.streams as streams

    run = run_of(cr.Domain.sequence(4, 256), vocabulary="".join(map(chr, range(256))))
    (tmp_path / "a.txt").write_bytes(b"to be or not")
    source = tmp_path / "a.txt"
    if kind == "items":
        run, source = run_of(cr.Domain.categorical(3, 3)), tmp_path / "a.npy"
        np.save(source, np.arange(12).reshape(4, 3) % 3)
    monkeypatch.setattr(items, "encode", spoilt(items.encode))
    coded = streams._encoded
    monkeypatch.setattr(
        streams, "_encoded", lambda *how: coded(*how[:-1], bytes([how[-1][0] ^ 1]) + how[-1][1:])
    )
    out = tmp_path / "x.chr"
    if verify:
        with pytest.raises(CodeError, match="nothing is written"):
            packed(run, source, out)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"a.txt", source.name})
    else:
        assert not packed(run, source, out, verify=False)["verified"]
        assert out.exists()


def spoilt(encode):
    """An encoder that codes other symbols than it was given, consistently."""

    def wrong(model, runner, rows, **options):
        from dataclasses import replace

        symbols = rows.symbols.clone()
        symbols[0, 0] = (symbols[0, 0] + 1) % model.domain.levels
        return encode(model, runner, replace(rows, symbols=symbols), **options)

    return wrong


def test_what_a_file_tells_is_trusted_with_nothing(tmp_path):
    """A file with right checksums and wrong names, shapes or types is refused in a line, and leads nowhere."""
    run, x = run_of(cr.Domain.image(1, 2, 3, 256)), torch.zeros(2, 1, 2, 3, dtype=torch.int64)
    part = {"name": "x", "axis": "first", "dtype": "|u1", "shape": [2, 2, 3]}
    names = {"kind": "pictures", "names": ["a.png", "b.png"], "modes": ["L"], "white": 255}
    cases = [
        ({"kind": "nothing"}, "b.npz2"),
        ({"kind": "arrays", "ending": ".npz"}, "b.npz"),
        ({"kind": "arrays", "ending": ".npz", "parts": [{**part, "dtype": "O"}]}, "b.npz"),
        ({"kind": "arrays", "ending": ".npz", "parts": [{**part, "shape": [3, 2, 3]}]}, "b.npz"),
        ({"kind": "arrays", "ending": ".npz", "parts": [{**part, "shape": "many"}]}, "b.npz"),
        ({**names, "names": ["../../a.png", "b.png"]}, "out"),
        ({**names, "names": ["/a.png", "b.png"]}, "out"),
        ({**names, "names": ["a.png", "a.png"]}, "out"),
        ({**names, "names": ["a.png"]}, "out"),
        ({**names, "white": "bright"}, "out"),
        ({**names, "modes": 5}, "out"),
        ({"kind": "sounds", "names": ["a.wav"], "lengths": [2]}, "out"),
        ({"kind": "plain", "labels": [1]}, "b.npz"),
        ({"kind": "lines", "end": "x", "last": True, "bom": False}, "b.txt"),
        ({"kind": "table", "columns": [{"name": "a", "type": "int8"}], "header": True}, "b.csv"),
        ({"kind": ["a"]}, "b.npz"),
    ]
    for about, name in cases:
        with (tmp_path / "x.chr").open("wb") as file:
            write_items(run.model, x, None, file, about=pack(about))
        with pytest.raises(ChainruleError) as refused:
            decompress_file(run, tmp_path / "x.chr", tmp_path / name)
        assert "\n" not in str(refused.value), about
        assert [path.name for path in tmp_path.iterdir()] == ["x.chr"], about


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        zlib.compress(b"[1]"),
        zlib.compress(b"{"),
        zlib.compress(b"[" * 10**5),
        zlib.compress(b"{}") + b"x",
    ],
)
def test_a_description_that_is_none_is_refused(content):
    with pytest.raises(CodeError):
        unpack(content)


def test_a_description_may_not_grow_without_end():
    bomb = zlib.compress(b'{"a":"' + b" " * (1 << 27) + b'"}')
    assert len(bomb) < 1 << 18
    with pytest.raises(CodeError):
        unpack(bomb)


# --- the command line ----------------------------------------------------------------------------


def test_the_command_says_how_much_of_how_much(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(180).reshape(60, 3) % 3, y=np.arange(60) % 4)
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 40)
    quick = ("--device", "cpu", "--json", "--set", "hidden=[4]", "--set", "steps=3", "--epochs", "1")
    ended = call(
        "train", "made", "--data", tmp_path / "a.npz", "--set", "classes=4", *quick, "--out", tmp_path / "run"
    )
    assert ended.status == 0, ended.err
    ended = call("train", "independent", "--data", tmp_path / "a.txt", "--json", "--out", tmp_path / "text")
    assert ended.status == 0, ended.err
    out = tmp_path / "x.chr"
    ended = call("compress", tmp_path / "run", tmp_path / "a.npz", "-o", out)
    assert ended.status == 0 and "60 of 60 items in" in ended.err and "decompressed and compared" in ended.err
    told = call("compress", tmp_path / "run", tmp_path / "a.npz", "-o", out, "--items", "7", "--json").json
    assert (told["packed"], told["of"], told["unit"], told["verified"]) == (7, 60, "items", True)
    ended = call("compress", tmp_path / "run", tmp_path / "a.npz", "-o", out, "--items", "7", "--no-verify")
    assert "left out: 53 items" in ended.err and "not compared" in ended.err
    ended = call("compress", tmp_path / "text", tmp_path / "a.txt", "-o", out)
    assert "920 of 920 characters in" in ended.err
    assert call("decompress", tmp_path / "text", out, "-o", tmp_path / "b.txt").status == 0
    assert (tmp_path / "b.txt").read_bytes() == (tmp_path / "a.txt").read_bytes()
    assert (
        "packed whole"
        in call("compress", tmp_path / "text", tmp_path / "a.txt", "-o", out, "--items", "3").error
    )
    json.dumps(told)


# --- what has no portable form ---------------------------------------------------------------------


@pytest.mark.parametrize("source", ["x.txt", "x.npy"])
def test_steps_without_a_portable_form_are_coded_for_this_machine(source, tmp_path, caplog, monkeypatch):
    vocabulary = {"vocabulary": "abc"} if source == "x.txt" else {}
    run = run_of(cr.Domain.sequence(8, 3), "gru", **vocabulary)
    step = run.model.step

    def odd(prev, state, t, *, phase):
        params, state = step(prev, state, t, phase=phase)
        return params + torch.erfinv(torch.zeros_like(params)), state

    monkeypatch.setattr(run.model, "step", odd)
    if vocabulary:
        (tmp_path / source).write_text("abc" * 30)
    else:
        np.save(tmp_path / source, np.arange(24).reshape(3, 8) % 3)
    packed(run, tmp_path / source, tmp_path / "x.chr")
    decompress_file(run, tmp_path / "x.chr", tmp_path / f"back{source}")
    assert (tmp_path / f"back{source}").read_bytes() == (tmp_path / source).read_bytes()
    assert not Reader(io.BytesIO((tmp_path / "x.chr").read_bytes())).header.arithmetic.portable
    assert caplog.messages == [
        "compressed for this kind of machine and these versions alone: a step uses erfinv, which has no portable form"
    ]

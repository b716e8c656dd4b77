"""Formats of files: MATLAB, HDF5, IDX, .tsv, feather; packed files; sizes told before anything is allocated."""

import gzip
import io
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_array

import chainrule as cr
from chainrule.cli import main
from chainrule.data import load_data, load_items
from chainrule.data.limits import VARIABLE
from chainrule.data.readers.formats import READERS

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (40, 6), np.uint8)
CLASSES = RNG.integers(0, 3, 40)
FRAME = pd.DataFrame({"job": ["clerk", "baker"] * 20, "age": np.arange(40) + 0.5, "kind": ["u", "v"] * 20})


def refused(path, match, **options):
    with pytest.raises(cr.errors.ChainruleError, match=match) as caught:
        load_data(path, **options)
    assert "\n" not in str(caught.value) and Path(path).name in str(caught.value)


def same(data, array=BITS):
    """All rows are there, in some order."""
    rows = np.concatenate([np.asarray(getattr(data, split)) for split in ("train", "valid", "test")])
    assert sorted(rows.reshape(len(rows), -1).tolist()) == sorted(array.reshape(len(array), -1).tolist())


def idx(array, kind=8):
    dims = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, kind, array.ndim]) + dims + array.tobytes()


# --- arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [True, False])
def test_mat_is_read_as_npz_is(tmp_path, compress):
    path = tmp_path / "a.mat"
    content = {
        "x_train": BITS,
        "y_train": CLASSES[:, None].astype(float),
        "x_test": BITS,
        "y_test": CLASSES[:, None],
    }
    savemat(path, {**content, "about": "words", "cells": np.array([1, "a"], object)}, do_compression=compress)
    data = load_data(path)
    assert np.array_equal(np.asarray(data.test), BITS) and data.labels["test"].tolist() == CLASSES.tolist()
    assert [line.split(",")[0] for line in data.notes.ignored] == ["array about", "array cells"]
    savemat(path, {"x": csc_array(BITS.astype(float))}, do_compression=compress)
    same(load_data(path))
    for strange in ("words", np.array([1, "a"], object), {"a": 1}):
        savemat(path, {"x": strange}, do_compression=compress)
        refused(path, "array x: expected numbers, got (char|cell|struct)")


def test_hdf5_is_read_as_npz_is_and_nothing_outside_is_opened(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["train/x"], file["train/y"], file["test_x"] = BITS, CLASSES, BITS[:9]
        file["about"] = "words"
    data = load_data(path)
    assert (
        len(data.train) + len(data.valid) == 40
        and len(data.test) == 9
        and set(data.labels) == {"train", "valid"}
    )
    assert data.notes.ignored == ["array about, object ()"]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = BITS
    layout = h5py.VirtualLayout((40, 6), "u1")
    layout[:] = h5py.VirtualSource(tmp_path / "b.h5", "x", (40, 6))
    raw = [(str(tmp_path / "bytes"), 0, 240)]
    (tmp_path / "bytes").write_bytes(BITS.tobytes())
    makers = {
        "link": lambda file: file.__setitem__("x", h5py.ExternalLink("b.h5", "x")),
        "is a link": lambda file: file.__setitem__("x", h5py.SoftLink("/x")),
        "lies in other files": lambda file: file.create_virtual_dataset("x", layout),
        "lies in other files,": lambda file: file.create_dataset("x", (40, 6), "u1", external=raw),
        "expected numbers, got object": lambda file: file.__setitem__("x", "words"),
        "would take 8.0 TB": lambda file: file.create_dataset("x", (10**6, 10**6), "f8", chunks=(9, 9)),
    }
    for match, make in makers.items():
        with h5py.File(path, "w") as file:
            make(file)
        refused(path, match)


def test_matlab_7_3_is_hdf5_with_its_axes_turned(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"], file["labels"] = BITS.T, CLASSES[None]
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    data = load_data(path)
    same(data)
    assert sum(len(labels) for labels in data.labels.values()) == 40


def test_idx_is_read_alone_and_as_the_folder_of_mnist(tmp_path):
    images, labels = RNG.integers(0, 256, (40, 5, 4), np.uint8), CLASSES.astype(np.uint8)
    files = {
        "train-images-idx3-ubyte": idx(images),
        "train-labels.idx1-ubyte": idx(labels),
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx(images[:9])),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(labels[:9])),
    }
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "README.md").write_text("words")
    data = load_data(folder)
    assert str(data.domain) == "image:1x5x4:256" and data.labels["test"].tolist() == labels[:9].tolist()
    assert np.array_equal(np.asarray(data.test)[:, 0], images[:9]) and data.notes.ignored == [
        "file README.md"
    ]
    again = {name: value for name, value in data.origin.items() if name != "domain"}
    assert load_data(**again).train.equal(data.train)
    (folder / "train-labels.idx1-ubyte").write_bytes(idx(labels[::-1].copy()))
    with pytest.raises(cr.errors.DataError, match="has changed since"):
        load_data(**again)
    same(load_data(folder / "train-images-idx3-ubyte"), images)
    items = load_items(folder / "t10k-images-idx3-ubyte.gz", data.domain)
    assert np.array_equal(np.asarray(items.x)[:, 0], images[:9])
    for kind, type_ in {9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}.items():
        (tmp_path / "x-idx2-ubyte").write_bytes(idx(BITS.astype(type_), kind))
        same(load_data(tmp_path / "x-idx2-ubyte"))
    path = tmp_path / "bad-idx3-ubyte"
    for content in (
        b"",
        b"\0\0\x08",
        b"words words",
        idx(images)[:-1],
        idx(images) + b"x",
        b"\0\0\x08\xff" + b"\xff" * 99,
    ):
        path.write_bytes(content)
        refused(path, "not an IDX file|damaged: shape|damaged: expected 1 to 4 axes|got nothing")
    path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12 + b"x" * 9)
    refused(path, "needs 79,228,162,458,924,105,385,300,197,375 bytes, there are 9")


# --- tables -------------------------------------------------------------------------------------------


def test_tables_of_all_formats_are_one_table(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    FRAME.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    FRAME.to_parquet(tmp_path / "a.parquet")
    pa.feather.write_feather(FRAME, tmp_path / "a.feather")
    with pa.ipc.new_file(tmp_path / "a.arrow", pa.Table.from_pandas(FRAME).schema) as writer:
        writer.write(pa.Table.from_pandas(FRAME))
    for name in ("csv", "tsv"):
        (tmp_path / f"b.{name}.gz").write_bytes(gzip.compress((tmp_path / f"a.{name}").read_bytes()))
    first = load_data(FRAME, labels=["kind"])
    for path in sorted(tmp_path.iterdir()):
        data = load_data(path, labels=["kind"])
        assert (
            data.domain == first.domain and data.train.equal(first.train) and data.class_names == ("u", "v")
        )
    (tmp_path / "c.tsv").write_text("a,b\n" + "1,5\n2,5\n" * 9)  # commas are no tabs
    assert [column.name for column in load_data(tmp_path / "c.tsv").domain.columns] == ["a,b"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,a\n1,x\n", None),
        ("a,b\n", "holds a header but no rows"),
        ("a,b\n2020-01-01,1\n", None),
        ("a\n99999999999999999999999999\nx\n", None),  # text then, as its neighbour is
        ("a\n9223372036854775808\n1\n", None),  # beyond int64 it is text
        ("a\n" + "9" * 400 + "\n1\n", None),
        ("a,b\n1\n", "cannot be read|expected"),
        ("\x00\x00", "NUL, which no text holds"),
    ],
)
def test_csv_of_every_kind_is_read_or_refused_in_a_line(tmp_path, text, match):
    path = tmp_path / "a.csv"
    path.write_text(text + text.split("\n", 1)[-1] * 19)
    if match is None:
        assert load_data(path).domain.columns
    else:
        refused(path, match)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2**62] * 20, pa.timestamp("ns")),
        pa.array([[[[[[[[[[1]]]]]]]]]] * 40),
        pa.array([{"a": {"b": {"c": 1}}}] * 40),
        pa.array([None] * 40),
        pa.array([b"\xff"] * 40),
        pa.array([float("inf")] * 40),
        pa.array([2**63 - 1, 0] * 20).cast(pa.decimal128(38, 0)),
    ],
    ids=lambda column: str(column.type)[:20],
)
def test_strange_columns_are_one_line(tmp_path, column):
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"a": column}), path)
    if pa.types.is_decimal(column.type):
        assert load_data(path).domain.columns
    else:
        refused(path, "column 'a'")


@pytest.mark.parametrize("number, kind", [(2**31 - 1, pa.date32()), (2**62, pa.date64())])
def test_moments_beyond_the_calendar_are_no_crash(tmp_path, number, kind):
    pa.parquet.write_table(pa.table({"a": pa.array([0, number] * 20, kind)}), tmp_path / "a.parquet")
    assert load_data(tmp_path / "a.parquet").domain.columns[0].step == 1


def test_text_that_is_no_utf8_is_one_line(tmp_path):
    """A damaged parquet may say that any bytes are text."""
    bad = pa.array([b"\xfflerk", b"nurse"] * 10).view(pa.string())
    good = pa.array(["clerk", "nurse"] * 10)
    for cells in (bad, bad.dictionary_encode()):
        pa.parquet.write_table(pa.table({"job": cells}), tmp_path / "a.parquet")
        pa.parquet.write_table(pa.table({"job": good}), tmp_path / "b.parquet")
        for read in (
            lambda: load_data(tmp_path / "a.parquet"),
            lambda: load_data(tmp_path / "a.parquet", domain=load_data(tmp_path / "b.parquet").domain),
        ):
            with pytest.raises(cr.errors.DataError, match=r"a\.parquet.*cannot be read") as caught:
                read()
            assert "\n" not in str(caught.value)


def test_a_file_that_breaks_the_reader_of_matlab_is_refused(tmp_path, monkeypatch):
    """SciPy's reader ends the process on some damaged files: it has one of its own."""
    savemat(tmp_path / "a.mat", {"x": np.zeros((20, 3))})
    monkeypatch.setattr("chainrule.data.readers.matlab.LOAD", "import os; os.abort()")
    with pytest.raises(cr.errors.DataError, match=r"a\.mat: cannot be read: it breaks the reader"):
        load_data(tmp_path / "a.mat")


def test_whole_numbers_beyond_int64(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[2**64 - 1, 0]] * 20, np.uint64))
    refused(path, "levels")
    pa.parquet.write_table(
        pa.table({"a": pa.array([2**64 - 1, 0] * 20, pa.uint64())}), tmp_path / "a.parquet"
    )
    refused(tmp_path / "a.parquet", r"column 'a' is left out: whole numbers beyond 2\^53")


# --- packed -------------------------------------------------------------------------------------------


def picture(colour):
    target = io.BytesIO()
    Image.new("L", (3, 3), colour).save(target, "PNG")
    return target.getvalue()


def pack(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_zip_is_the_file_or_the_folder_in_it(tmp_path):
    pictures = {f"pets/{kind}/{n}.png": picture(n * 5) for kind in ("ant", "bee") for n in range(10)}
    data = load_data(
        pack(tmp_path / "insects.zip", {**pictures, "__MACOSX/pets/._1.png": b"x", "pets/.DS": b"y"})
    )
    assert data.name == "insects" and data.class_names == ("ant", "bee") and len(data.train) == 16
    assert data.source.startswith(str(tmp_path / "insects.zip"))
    assert data.notes.found[0] == "unpacked insects.zip: a folder"
    assert data.notes.ignored == ["2 hidden files: __MACOSX/pets/._1.png, pets/.DS"]
    again = load_data(**data.origin)
    assert again.train.equal(data.train)

    splits = {f"{split}/{n}.png": picture(n) for split in ("train", "test") for n in range(9)}
    assert len(load_data(pack(tmp_path / "b.zip", splits)).test) == 9
    table = load_data(pack(tmp_path / "c.zip", {"x/people.csv": FRAME.to_csv(index=False)}))
    assert table.name == "c" and len(table.domain.columns) == 3
    assert load_data(pack(tmp_path / "d.zip", {"t.txt": "to be or not to be " * 99})).vocabulary
    files = {
        "train-images-idx3-ubyte": idx(BITS[:, :, None]),
        "train-labels-idx1-ubyte": idx(CLASSES.astype("u1")),
    }
    assert load_data(pack(tmp_path / "e.zip", files)).labels
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".zip"]


def test_zip_that_leads_elsewhere_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    for name in ("/etc/x.txt", "../x.txt", "a/../../x.txt", "a\\x.txt", "x\0.txt"):
        info = zipfile.ZipInfo("x.txt")
        info.filename = name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(info, "words")
        if "\0" not in name:  # Python itself cuts these
            refused(path, "a.zip: holds .*out of the folder")
    link = zipfile.ZipInfo("x.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(path, "is a link or a device")
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "words")
        archive.writestr("x.txt", "words")
    refused(path, "holds 'x.txt' twice")
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("empty")
    refused(path, "holds no files")
    refused(pack(path, {"b.zip": pack(tmp_path / "b.zip", {"x.txt": "words"}).read_bytes()}), "packed too")
    content = bytearray(pack(path, {"x.txt": "words" * 99}).read_bytes())
    for place in (content.find(b"PK\x01\x02") + 8, 6):
        content[place] |= 1  # says that it is encrypted
    path.write_bytes(content)
    refused(path, "needs a password")
    path.write_bytes(b"words")
    refused(path, "cannot be read: File is not a zip file")


def test_what_grows_beyond_the_limit_is_refused_before_it_does(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1000000")
    zeros = bytes(2_000_000)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "a-idx1-ubyte.gz").write_bytes(gzip.compress(zeros))
    pack(tmp_path / "a.zip", {"a.txt": zeros})
    pack(tmp_path / "b.zip", {f"{n}.txt": zeros[:400_000] for n in range(5)})
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((250_000, 8), np.uint8))
    savemat(tmp_path / "a.mat", {"x": np.zeros((250_000, 8), np.uint8)}, do_compression=True)
    (tmp_path / "a.csv").write_bytes(b"1,2\n" * 60_000)
    text = pa.array(["x" * 10_000] * 1000)
    pa.parquet.write_table(pa.table({"a": text}), tmp_path / "a.parquet")
    pa.parquet.write_table(pa.table({"a": np.zeros(250_000)}), tmp_path / "b.parquet")
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 300_000
    for path in sorted(tmp_path.iterdir()):
        refused(path, f"would take .* at most 1.0 MB are allowed.*{VARIABLE}")


def npy(shape, kind="<f8"):
    target = io.BytesIO()
    np.lib.format.write_array_header_1_0(target, {"descr": kind, "fortran_order": False, "shape": shape})
    return target.getvalue()


def test_arrays_that_say_more_than_they_hold(tmp_path):
    path = tmp_path / "a.npy"
    for shape in ((1 << 40,), (1 << 40, 1 << 40), (9, 9)):
        path.write_bytes(npy(shape) + b"x" * 100)
        refused(path, "damaged: float64 .* there are 100")
    path.write_bytes(npy((-1, 9)) + b"x" * 100)
    refused(path, "damaged: ")
    path.write_bytes(npy((4,), "|O") + b"x" * 100)
    refused(path, "Python objects")
    pack(tmp_path / "a.npz", {"x.npy": npy((1 << 40,)) + b"x" * 100})
    refused(tmp_path / "a.npz", "array x: damaged")
    pack(tmp_path / "a.npz", {"x.npy": npy((3,), "|O") + b"x" * 100, "notes.txt": "words"})
    refused(tmp_path / "a.npz", "array x: holds Python objects")
    target = io.BytesIO()
    np.save(target, BITS)
    data = load_data(
        pack(tmp_path / "a.npz", {"x.npy": target.getvalue(), "notes.txt": "words", "o.npy": npy((3,), "|O")})
    )
    assert [line.split(",")[0] for line in data.notes.ignored] == ["array notes.txt", "array o"]


def test_npz_that_says_too_little(tmp_path):
    """A member that unpacks to more than it declares is no way around the bound."""
    path = pack(tmp_path / "a.npz", {"x.npy": npy((100_000,)) + bytes(800_000)})
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 1000)
    path.write_bytes(content)
    refused(path, "Bad CRC|damaged")


def test_the_list_of_formats_is_that_of_the_readers(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("words")
    with pytest.raises(cr.errors.DataError) as caught:
        load_data(path)
    for suffix in (*READERS, ".gz", ".zip", ".txt", ".wav", ".png"):
        assert f"{suffix}," in str(caught.value)
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(b"words"))
    refused(tmp_path / "a.xyz.gz", "a.xyz.gz: a.xyz: expected a folder")
    for suffix in (*READERS, ".gz", ".zip"):
        (tmp_path / f"b{suffix}").write_bytes(b"")
        refused(tmp_path / f"b{suffix}", "empty|cannot be read|not a zip")


def test_data_says_what_was_unpacked(tmp_path, capsys):
    path = tmp_path / "people.csv.gz"
    path.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode()))
    assert main(["data", str(path), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["name"] == "people" and about["notes"]["found"][0] == "unpacked people.csv.gz: people.csv"
    path.write_bytes(path.read_bytes()[:-9])
    assert main(["data", str(path)]) == 1 and "people.csv.gz: cannot be read" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["people.csv.gz"]

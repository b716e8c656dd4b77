"""Loading data: every rule of inference, every format, every refusal."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from chainrule.data import Data, Reading, data_folder, decode, list_data, load_data, load_items
from chainrule.data.conform import conform
from chainrule.data.readers.text import as_bytes, read_text
from chainrule.data.sets import named as named_sets
from chainrule.data.writing import is_bytes
from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError, DataError, DomainError, MissingExtraError

rng = np.random.default_rng(0)


@pytest.fixture
def save(tmp_path):
    """Write one array as .npy, or several as .npz; return the path."""

    def write(array=None, /, **arrays):
        path = tmp_path / ("a.npz" if arrays else "a.npy")
        np.savez(path, **arrays) if arrays else np.save(path, array)
        return path

    return write


def refused(match, source, error=DataError, **options):
    with pytest.raises(error, match=match) as caught:
        load_data(source, **options)
    assert "\n" not in str(caught.value)


def everything(data):
    return torch.cat([data.train, data.valid, data.test])


# The data set object


def test_a_table_of_float64_is_not_copied_again():
    """Of large tables each copy counts. The cells that were read are the tensor, unless they may not be written."""
    domain = Domain.table([Column("a", "real"), Column("b", "real", missing=True)])
    cells = np.array([[0.5, np.nan], [1.5, 2.0]])
    assert np.shares_memory(conform(cells, domain).numpy(), cells)
    cells.flags.writeable = False
    assert not np.shares_memory(conform(cells, domain).numpy(), cells)
    with pytest.raises(
        DomainError, match="column 'a': expected a finite number, got nan in row 0; the column has no"
    ):
        conform(cells[:, ::-1], domain)


def test_data_split_and_description():
    x = torch.zeros(4, 3, dtype=torch.uint8)
    data = Data("toy", x, x[:2], x[:1], Domain.binary(3), {"train": torch.arange(4)}, ("a", "b"))
    assert str(data) == data.describe() == "toy: vector:3:2, 4 train, 2 valid, 1 test, 2 classes"
    assert data.split("train")[1].tolist() == [0, 1, 2, 3]
    assert data.split("test")[1] is None
    with pytest.raises(DataError, match="split 'tset': no such split; did you mean 'test'"):
        data.split("tset")


def test_data_refuses_empty_split_and_wrong_shape():
    x = torch.zeros(4, 3)
    with pytest.raises(DataError, match="toy: the valid split is empty"):
        Data("toy", x, x[:0], x, Domain.vector(3))
    with pytest.raises(DataError, match=r"toy: test: expected items of shape \(3,\), got \(2,\)"):
        Data("toy", x, x, x[:, :2], Domain.vector(3))


# Named sets


def test_digits():
    data = load_data("digits")
    assert str(data.domain) == "image:1x8x8:17"
    assert (len(data.train), len(data.valid), len(data.test)) == (1000, 350, 447)
    assert data.train.dtype == torch.uint8 and data.train.max() == 16
    assert data.labels["train"].tolist()[:5] == [0, 1, 2, 3, 4] and data.labels["test"].dtype == torch.int64
    assert data.class_names == tuple("0123456789")
    assert "rows 0-999 train, 1000-1349 valid, 1350-1796 test" in data.source


def test_named_set_takes_another_domain():
    data = load_data("digits", domain="vector:64:17")
    assert data.train.shape == (1000, 64)
    refused(
        r"scikit-learn load_digits: train: x: expected integers in \[0, 16\)", "digits", domain="vector:64:16"
    )


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a small file in the place of a named set's, and its digest in the table."""

    def write(name, **arrays):
        path = tmp_path / named_sets.NAMED[name].file
        path.parent.mkdir()
        np.savez(path, **arrays)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(named_sets.NAMED, name, replace(named_sets.NAMED[name], digest=digest))
        return path

    return write


@pytest.mark.parametrize("name, held", [("mnist", 10000), ("fashion-mnist", 5000)])
def test_grey_sets_hold_back_the_last_training_images(name, held, fake, tmp_path):
    x = np.zeros((held + 3, 28, 28), np.uint8)
    x[3:] = 7
    y = np.arange(held + 3, dtype=np.uint8) % 10
    fake(name, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    data = load_data(name, data_dir=tmp_path)
    assert (str(data), data.name) == (
        f"{name}: image:1x28x28:256, 3 train, {held} valid, 2 test, 10 classes",
        name,
    )
    assert data.train.max() == 0 and data.valid.min() == 7
    assert data.labels["valid"].tolist() == y[3:].tolist()
    assert f"the last {held} training images are valid" in data.source
    assert ("not the official" in data.source) == (name == "fashion-mnist")


def test_binarized_mnist(fake, tmp_path):
    x = rng.integers(0, 2, (4, 784), dtype=np.uint8)
    fake("binarized-mnist", train=x, valid=x[:2], test=x[:1])
    data = load_data("binarized-mnist", data_dir=tmp_path)
    assert str(data) == "binarized-mnist: image:1x28x28:2, 4 train, 2 valid, 1 test"
    assert data.train.flatten(1).tolist() == x.tolist() and data.labels == {}


def test_caltech_silhouettes_are_upright_and_labelled_from_0(fake, tmp_path):
    picture = np.ones((28, 28), np.uint8)
    picture[0, :] = 0  # a bar along the top
    x = picture.T.reshape(1, 784)
    y = np.array([101], np.uint8)
    arrays = {f"x_{s}": x for s in ("train", "valid", "test")} | {
        f"y_{s}": y for s in ("train", "valid", "test")
    }
    fake("caltech-silhouettes", **arrays, class_names=np.array(["ant"] * 101))
    data = load_data("caltech-silhouettes", data_dir=tmp_path)
    assert (data.train[0, 0].numpy() == picture).all()
    assert data.labels["valid"].tolist() == [100] and len(data.class_names) == 101
    assert str(data.domain) == "image:1x28x28:2"


@pytest.mark.parametrize("name", ["nltcs", "adult", "mushrooms", "nips-0-12", "ocr-letters"])
def test_binary_sets(name, fake, tmp_path):
    x = np.zeros((4, 5), np.uint8)
    fake(name, train=x, valid=x[:2], test=x[:1])
    data = load_data(name, data_dir=tmp_path)
    assert str(data) == f"{name}: vector:5:2, 4 train, 2 valid, 1 test"


def test_continuous_sets_lose_whole_and_repeated_columns(fake, tmp_path):
    a, b = rng.normal(size=(2, 50))
    x = np.stack([np.arange(50), a, b, -2 * a + 1e-3 * b, b + a], axis=1)
    fake("wine-red", x=x, y=np.arange(50) / 7, feature_names=np.array(list("abcde")))
    data = load_data("wine-red", data_dir=tmp_path)
    assert str(data) == "wine-red: vector:3:real, 40 train, 5 valid, 5 test"
    order = np.random.default_rng(0).permutation(50)
    assert everything(data).numpy() == pytest.approx(x[order][:, 2:])


def test_patches_keep_their_differences(fake, tmp_path):
    x = rng.integers(0, 256, (3, 8, 8), dtype=np.uint8)
    fake("bsds-patches", train=x, valid=x[:2], test=x[:1], train_image_id=np.arange(3))
    data = load_data("bsds-patches", data_dir=tmp_path)
    assert str(data) == "bsds-patches: vector:63:real, 3 train, 2 valid, 1 test"
    patches = torch.cat([data.train, -data.train.sum(1, keepdim=True)], 1) * 256  # the last pixel follows
    levels = x.reshape(3, 64).astype(float)
    noise = patches.numpy() - levels
    noise -= noise.min(1, keepdims=True)
    assert (noise < 1).all() and noise.std() > 0.2
    assert load_data("bsds-patches", data_dir=tmp_path).train.equal(data.train)


def test_named_set_damaged(fake, tmp_path):
    path = fake("mnist", x_train=np.zeros((2, 28, 28), np.uint8))
    expected = named_sets.NAMED["mnist"].digest
    path.write_bytes(path.read_bytes() + b"!")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    refused(f"mnist.npz: .*expected SHA-256 {expected}, found {found}", "mnist", data_dir=tmp_path)


def test_named_set_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    place = f"no file mnist/mnist.npz in the data folder {tmp_path}"
    refused(f"mnist: {place}; .*data get mnist.*--data-dir.*CHAINRULE_DATA", "mnist")


def test_list_data(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "mnist.npz").write_bytes(b"x")
    sets = {entry.name: entry for entry in list_data()}
    assert list(sets)[:5] == ["digits", "penguins", "mnist", "binarized-mnist", "caltech-silhouettes"]
    assert sets["penguins"].present and sets["digits"].present and sets["digits"].path is None
    assert sets["mnist"].present and sets["mnist"].path == tmp_path / "mnist" / "mnist.npz"
    assert not sets["fashion-mnist"].present
    assert all("\n" not in entry.description for entry in sets.values())
    assert not list_data(tmp_path / "elsewhere")[2].present


def test_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder("other").name == "other"
    monkeypatch.delenv("CHAINRULE_DATA")
    assert data_folder().parts[-2:] == (".cache", "chainrule")


# What is not there, or no data


def test_unknown_sources(tmp_path):
    refused("data 'mnits': neither a named set nor a file; did you mean 'mnist'", "mnits")
    refused("data 'xyzzy': .*known: adult, audio, binarized-mnist, boston-housing", "xyzzy")
    refused("nowhere.npz: no such file", "nowhere.npz")
    refused("digits: no such file", tmp_path / "digits")
    refused("expected a name or a path", "")
    (tmp_path / "a.pdf").write_bytes(b"x")
    refused(
        r"a.pdf: expected a folder of images, .*or one of \.npy, .*, got \.pdf",
        tmp_path / "a.pdf",
    )


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "txt", "parquet"])
def test_empty_file(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    path.touch()
    refused(f"a.{suffix}: the file is empty", path)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_truncated_or_foreign_numpy_file(suffix, save, tmp_path):
    content = np.zeros((100, 4))
    path = save(content) if suffix == "npy" else save(train=content)
    path.write_bytes(path.read_bytes()[:-50])
    refused(f"a.{suffix}: (cannot be read|damaged): ", path)
    path.write_bytes(b"no array at all")
    refused(f"a.{suffix}: not a NumPy file", path)


def test_objects_are_never_unpickled(save):
    refused("a.npy: holds Python objects", save(np.array([[1, "a"]], dtype=object)))
    refused("a.npz: array x: holds Python objects", save(x=np.array([[1, None]], dtype=object)))


# Inference


@pytest.mark.parametrize(
    "array, domain, dtype",
    [
        (rng.integers(0, 2, (20, 5)), "vector:5:2", torch.uint8),
        (np.zeros((20, 5), bool), "vector:5:2", torch.uint8),
        (np.tile([0, 6], (20, 2)), "vector:4:7", torch.uint8),
        (np.tile([0, 999], (20, 2)), "vector:4:1000", torch.int16),
        (np.tile([0, 40000], (20, 2)).astype(">u4"), "vector:4:40001", torch.int32),
        (np.tile([0.0, 1.0], (20, 1)), "vector:2:2", torch.uint8),
        (np.tile([0.0, 255.0], (20, 1)), "vector:2:256", torch.uint8),
        (np.tile([0.0, 256.0], (20, 1)), "vector:2:real", torch.float64),
        (np.tile([0.0, -1.0], (20, 1)), "vector:2:real", torch.float64),
        (np.tile([0.5, 1.0], (20, 1)).astype(np.float32), "vector:2:real", torch.float32),
        (np.tile([0.5, 1.0], (20, 1)).astype(np.float16), "vector:2:real", torch.float32),
        (np.ones((20, 4, 6), np.uint8), "image:1x4x6:2", torch.uint8),
        (np.full((20, 4, 6), 5, np.uint8), "image:1x4x6:256", torch.uint8),
        (np.full((20, 4, 6), 16), "image:1x4x6:17", torch.uint8),
        (np.full((20, 4, 6), 18), "image:1x4x6:256", torch.uint8),
        (np.full((20, 4, 6), 16.0), "image:1x4x6:17", torch.uint8),
        (np.full((20, 4, 6), 0.5), "image:1x4x6:real", torch.float64),
        (np.full((20, 4, 6), 999), "image:1x4x6:1000", torch.int16),
        (np.full((20, 3, 4, 6), 99), "image:3x4x6:256", torch.uint8),
        (np.full((20, 4, 6, 3), 99), "image:3x4x6:256", torch.uint8),
        (np.full((20, 4, 6, 1), 99), "image:1x4x6:256", torch.uint8),
        (np.full((20, 3, 4, 4), 99), "image:3x4x4:256", torch.uint8),
    ],
)
def test_inferred_domain(array, domain, dtype, save):
    data = load_data(save(array))
    assert (str(data.domain), data.train.dtype) == (domain, dtype)
    assert (len(data.train), len(data.valid), len(data.test)) == (16, 2, 2)
    data.domain.check(everything(data))
    assert everything(data).double().sum() == array.astype(np.float64).sum()


def test_channels_last_keeps_the_pixels(save):
    images = rng.integers(0, 256, (3, 4, 6, 3))
    data = load_data(save(train=images, valid=images, test=images))
    assert data.test.tolist() == images.transpose(0, 3, 1, 2).tolist()
    other = load_data(save(train=images, valid=images, test=images), domain="image:3x4x6:256")
    assert other.test.equal(data.test)


def test_inference_looks_at_all_splits(save):
    low, high = np.zeros((2, 3), int), np.full((2, 3), 4)
    assert str(load_data(save(train=low, valid=low, test=high)).domain) == "vector:3:5"
    assert str(load_data(save(train=low, valid=low, test=high + 0.5)).domain) == "vector:3:real"


@pytest.mark.parametrize(
    "array, match",
    [
        (np.arange(9), r"shape \(9,\) is not supported: expected \(N, D\).*\(N, H, W\)"),
        (np.zeros((2, 2, 2, 2, 2)), "is not supported"),
        (np.array([[1, -3]] * 9), r"negative integers \(least -3\)"),
        (np.array([[1, 1 << 40]] * 9), "more than 65536 levels; give a domain of reals"),
        (np.array([[0.5, 1]] * 3 + [[np.nan, 2]]), r"row 3 is not finite: nan at index \(3, 0\)"),
        (np.array([[0.5, np.inf]] * 3), "row 0 is not finite: inf"),
        (np.zeros((0, 3)), "holds no values"),
        (np.array(3), "expected one row per item, got a single number"),
        (np.array([["a"]] * 9), "expected integers or floats, got an array of <U1"),
        (np.zeros((9, 2), complex), "got an array of complex128"),
        (np.zeros((2, 3)), "2 rows are too few: 3 splits need at least one row each"),
    ],
)
def test_arrays_that_are_refused(array, match, save):
    refused(f"a.npy: .*({match})", save(array))


def test_not_finite_names_the_split_too(save):
    x = np.full((3, 2), 0.5)
    refused(
        r"a.npz: test: row 1 is not finite", save(train=x, valid=x, test=np.array([[0.5, 1], [np.nan, 2]]))
    )


# The user's domain


def test_given_domain_reshapes_and_casts(save):
    bits = rng.integers(0, 2, (10, 784))
    data = load_data(save(bits), domain="image:1x28x28:2")
    assert data.train.shape == (8, 1, 28, 28) and data.train.dtype == torch.uint8
    assert load_data(save(bits), domain=Domain.binary(784)).domain == Domain.binary(784)
    assert load_data(save(bits), domain="vector:784:real").train.dtype == torch.float64
    assert load_data(save(bits.astype(np.uint8)), domain="vector:784:real").train.dtype == torch.float32
    assert load_data(save(np.tile([0.0, 300.0], (9, 1))), domain="vector:2:301").train.dtype == torch.int16
    assert load_data(save(np.arange(9) % 3), domain="vector:1:3").train.shape == (7, 1)


def test_given_domain_is_checked(save):
    path = save(np.tile([0, 7], (10, 1)))
    refused(r"a.npy: x: expected integers in \[0, 7\), got 7 at index \(0, 1\)", path, domain="vector:2:7")
    refused(r"a.npy: shape \(10, 2\) does not fit vector:3:8: expected 3 values", path, domain="vector:3:8")
    refused("expected LAYOUT:SIZES:LEVELS", path, error=DomainError, domain="nonsense")
    path = save(np.array([[0, 1], [0, 0.5], [1, 1e300]]))
    refused(r"expected integers for levels, got 0.5 at index \(1, 1\)", path, domain="vector:2:2")


# Splits and labels


def test_npz_keeps_its_split_and_labels(save):
    x = rng.integers(0, 2, (9, 3))
    path = save(
        x_train=x,
        y_train=np.arange(9),
        x_valid=x[:4],
        y_valid=np.arange(4),
        x_test=x[:2],
        y_test=np.arange(2, dtype=np.uint8),
        class_note=np.array("ignored"),
    )
    data = load_data(path)
    assert data.train.tolist() == x.tolist() and data.source.endswith("its own split")
    assert {split: len(y) for split, y in data.labels.items()} == {"train": 9, "valid": 4, "test": 2}
    assert data.labels["test"].dtype == torch.int64 and data.class_names is None


@pytest.mark.parametrize("given", ["valid", "test"])
def test_npz_that_lacks_one_split(given, save):
    x = np.arange(100)[:, None]
    data = load_data(save(train=x, y_train=x[:, 0], **{given: x[:5], f"y_{given}": x[:5, 0]}))
    missing = {"valid": "test", "test": "valid"}[given]
    cut, labels = data.split(missing)
    assert (len(data.train), len(cut), len(data.split(given)[0])) == (90, 10, 5)
    assert sorted(data.train.flatten().tolist() + cut.flatten().tolist()) == x.flatten().tolist()
    assert labels.tolist() == cut.flatten().tolist()
    assert f"its own split, {missing} a seeded tenth of train, seed 0" in data.source


def test_seeded_split(save):
    x = np.arange(100)[:, None]
    path = save(x=x, y=x[:, 0])
    data, again, other = load_data(path), load_data(path, seed=0), load_data(path, seed=1)
    assert (len(data.train), len(data.valid), len(data.test)) == (80, 10, 10)
    order = np.random.default_rng(0).permutation(100)
    assert everything(data).flatten().tolist() == order.tolist()
    assert data.labels["valid"].tolist() == data.valid.flatten().tolist()
    assert data.test.equal(again.test) and not data.test.equal(other.test)
    assert data.source == f"{path}; seeded split 80/10/10, seed 0"


@pytest.mark.parametrize("name", ["x", "data", "anything"])
def test_npz_of_a_single_array(name, save):
    assert load_data(save(**{name: np.zeros((20, 3))})).train.shape == (16, 3)


def test_npz_without_a_known_array(save, tmp_path):
    x = np.zeros((9, 2))
    refused("a.npz: expected arrays train, valid, test, .* got foo, bar", save(foo=x, bar=x))
    refused("a.npz: has test but no train", save(x_test=x))
    refused(r"test: expected items of shape \(2,\) as in train, got \(1,\)", save(train=x, test=x[:, :1]))
    np.savez(tmp_path / "none.npz")
    refused("none.npz: expected arrays .*got none", tmp_path / "none.npz")


@pytest.mark.parametrize(
    "labels, match",
    [
        (np.zeros(9), "labels of train: expected integers, got float64"),
        (np.zeros(8, int), r"labels of train: expected one per row, shape \(9,\), got \(8,\)"),
        (np.zeros((9, 1), int), "labels of train: expected one per row"),
        (np.full(9, -1), "labels of train: expected integers from 0, got -1"),
    ],
)
def test_labels_that_are_refused(labels, match, save):
    refused(f"a.npz: {match}", save(x=np.zeros((9, 2)), y=labels))


def test_labels_of_some_splits_only(save):
    x = np.zeros((9, 2))
    data = load_data(
        save(train=x, y_train=np.zeros(9, int), test=x)
    )  # those of a competition's test part are secret
    assert set(data.labels) == {"train", "valid"}
    refused("a.npz: train has labels but valid has none", save(train=x, y_train=np.zeros(9, int), valid=x))


# Folders of images


def picture(path, value=0, size=(6, 4), mode="L", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def test_grey_folder_of_classes(tmp_path):
    for k in range(5):
        picture(tmp_path / "dog" / f"{k}.png", 10 + k)
        picture(tmp_path / "cat" / "deeper" / f"{k}.BMP", 50 + k)
    picture(tmp_path / ".hidden" / "x.png", size=(1, 1))
    (tmp_path / "notes.txt").write_text("not an image")
    data = load_data(tmp_path)
    assert str(data.domain) == "image:1x4x6:256" and data.class_names == ("cat", "dog")
    assert (len(data.train), len(data.valid), len(data.test)) == (8, 1, 1)
    for split in ("train", "valid", "test"):
        x, labels = data.split(split)
        assert ((x[:, 0, 0, 0] < 50) == labels.bool()).all()
    assert data.name == tmp_path.name


def test_folder_with_its_own_split(tmp_path):
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        for k in range(count):
            picture(tmp_path / split / "b" / f"{k}.png", 100 + k)
            picture(tmp_path / split / "a" / f"{k}.png", 200 + k)
    data = load_data(tmp_path)
    assert (len(data.train), len(data.valid), len(data.test)) == (6, 4, 2)
    assert data.train[:, 0, 0, 0].tolist() == [200, 201, 202, 100, 101, 102]
    assert data.labels["valid"].tolist() == [0, 0, 1, 1] and data.class_names == ("a", "b")
    assert "its own split" in data.source


def test_folder_split_without_classes_and_its_errors(tmp_path):
    for k in range(2):
        picture(tmp_path / "test" / f"{k}.png", 9)
    refused("has test but no train", tmp_path)
    for k in range(20):
        picture(tmp_path / "train" / f"{k}.png", 9)
    data = load_data(tmp_path)
    assert (len(data.train), len(data.valid), len(data.test)) == (18, 2, 2)
    assert data.labels == {} and data.class_names is None
    picture(tmp_path / "stray" / "x.png")
    refused("has stray beside the splits train, test", tmp_path)


def test_classes_in_some_splits_only(tmp_path):
    for k in range(3):
        picture(tmp_path / "train" / "a" / f"{k}.png")
        picture(tmp_path / "test" / f"{k}.png")
    assert set(load_data(tmp_path).labels) == {"train", "valid"}


def test_pictures_in_and_beside_subfolders_have_no_labels(tmp_path):
    for k in range(3):
        picture(tmp_path / f"{k}.png")
        picture(tmp_path / "sub" / f"{k}.png")
    data = load_data(tmp_path)
    assert len(everything(data)) == 6 and data.labels == {}


@pytest.mark.parametrize(
    "modes, domain",
    [
        (["1", "1", "1"], "image:1x4x6:2"),
        (["1", "L", "L"], "image:1x4x6:256"),
        (["RGB", "L", "1"], "image:1x4x6:256"),  # grey, however it is stored
        (["RGBA", "P", "LA"], "image:1x4x6:256"),
    ],
)
def test_modes_of_pictures(modes, domain, tmp_path):
    for k, mode in enumerate(modes):
        filled = {"RGB": (200,) * 3, "RGBA": (200,) * 4, "LA": (200, 200)}.get(mode, 200)
        picture(tmp_path / f"{k}.png", filled, mode=mode)
    data = load_data(tmp_path)
    assert str(data.domain) == domain
    if modes == ["1", "1", "1"]:
        assert (everything(data) == 1).all()


def test_lossless_colours_keep_their_place(tmp_path):
    pixels = rng.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    for k in range(3):
        Image.fromarray(pixels[k]).save(tmp_path / f"{k}.webp", lossless=True)
    data = load_data(tmp_path)
    order = np.random.default_rng(0).permutation(3)
    assert everything(data).tolist() == pixels[order].transpose(0, 3, 1, 2).tolist()


def test_folders_that_are_refused(tmp_path):
    refused(r"holds no images \(\.png", tmp_path)
    for k in range(3):
        picture(tmp_path / f"{k}.png")
    picture(tmp_path / "8.png", size=(4, 6))
    refused(r"8.png: expected 4x6 pixels .* as .*0.png has, got 6x4; .* --size 4x6 and --fit", tmp_path)
    (tmp_path / "8.png").write_bytes(b"no picture")
    refused("8.png: cannot be read: it is damaged, or not a picture of a known format", tmp_path)
    Image.fromarray(rng.integers(0, 256, (4, 6), dtype=np.uint8)).save(tmp_path / "8.png")
    (tmp_path / "8.png").write_bytes((tmp_path / "8.png").read_bytes()[:-30])
    refused("8.png: cannot be read: ", tmp_path)
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(tmp_path / "8.png")
    refused("8.png: expected 8 bits a channel, got 16; .* --mode L, .* --mode I;16", tmp_path)


# Tables


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "a.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_table_of_reals(delimiter, header, table):
    rows = [f"{k}{delimiter}{k}.5{delimiter}-{k}e3" for k in range(10)]
    data = load_data(table("\n".join([delimiter.join("abc")] * header + rows) + "\n\n"))
    names = "abc" if header else ["column_1", "column_2", "column_3"]
    steps = [1, 0.5, 1000]
    assert [(c.name, c.step) for c in data.domain.columns] == list(zip(names, steps, strict=True))
    assert data.train.dtype == torch.float64 and data.name == "a" and data.labels == {}
    cells = decode(everything(data), data.domain.columns).sort_values(names[0]).to_numpy()
    assert cells.tolist() == [[k, k + 0.5, -1000 * k] for k in range(10)]
    assert str(data) == "a: table of 3 columns, 8 train, 1 valid, 1 test"
    numbers = load_data(table("\n".join(rows)), domain="vector:3:real")
    assert numbers.train.shape == (8, 3) and numbers.train.max() == 9.5


def test_table_of_categories(table):
    data = load_data(table("\ufeffa,b,c\n" + "0,0, 3\n" * 5 + "0,1.0,4\n" * 5))
    # A header means a table, also of small whole numbers.
    assert str(data.domain) == (
        "table:a: number (always 0), b: categorical (2 and others), c: categorical (2 and others)"
    )
    data = load_data(table("0,0, 3\n" * 5 + "0,1.0,4\n" * 5))
    assert str(data.domain) == "vector:3:2,2,5" and data.train.dtype == torch.uint8
    other = "table:column_1: number (always 0), column_2: number (always {})"
    assert str(load_data(table("0,256\n" * 9)).domain) == other.format(256)
    assert str(load_data(table("0,-1\n" * 9)).domain) == other.format(-1)
    assert str(load_data(table("0,1\n" * 9), columns={}).domain) == other.format(1)
    assert str(load_data(table("a\n" + "7\n" * 9)).domain) == "table:a: number (always 7)"
    assert str(load_data(table("7\n" * 9)).domain) == "vector:1:8"
    assert str(load_data(table("0,1\n" * 9), domain="vector:2:real").domain) == "vector:2:real"


@pytest.mark.parametrize(
    "text, match",
    [
        ("a,b\n1,2\n1,inf\n", "column 'b': expected finite numbers, got inf in row 1"),
        ("a,b\n1,2\n1\n", r"cannot be read: CSV parse error: Row #3: Expected 2 columns, got 1"),
        ("a,a\n1,2\n", "1 rows are too few"),
        ("a,b\n", "holds a header but no rows"),
        ("\n\n", "holds no rows"),
        ("a,b\n1,2\n", "1 rows are too few"),
    ],
)
def test_tables_that_are_refused(text, match, table):
    refused(f"a.csv: {match}", table(text))


@pytest.mark.parametrize(
    "text, match",
    [
        ("a,b\n1,2\n3,x y\n", "column 'b': expected numbers, got string"),
        ("a,b\n1,2\n,4\n", "column 'a': missing value in row 1"),
        ("a,b,c\n1,2,3\n", r"shape \(1, 3\) does not fit vector:2:real"),
    ],
)
def test_tables_that_do_not_suit_a_domain_of_numbers(text, match, table):
    refused(f"a.csv: {match}", table(text), domain="vector:2:real")


def test_table_of_mixed_columns_with_missing_cells(table):
    text = "age, job,score\n" + "".join(f"{20 + k},{'ab'[k % 2]},{k}.5\n" for k in range(25)) + ",NA, NA\n"
    data = load_data(table(text))
    assert str(data.domain) == (
        "table:age: number (whole), may be missing, job: categorical (2 and others), may be missing, "
        "score: number (multiples of 0.5, ≥ 0), may be missing"
    )
    assert (len(data.train), len(data.valid), len(data.test)) == (22, 2, 2)
    x = everything(data)
    assert x.dtype == torch.float64 and x.isnan().sum(0).tolist() == [1, 1, 1]
    data.domain.check(x)


def test_kinds_and_domains_of_tables_are_kept_in_the_origin(table):
    path = table("a,b,c\n" + "1,2,5\n3,4,6\n" * 9)
    kinds = {"a": "real", "c": "drop"}
    data = load_data(path, columns=kinds)
    assert str(data.domain) == "table:a: number (often 1, 3), b: categorical (2 and others)"
    assert data.notes.ignored == ["column 'c': as asked"]
    assert data.notes.columns["b"] == "categorical, 2 whole numbers that are codes, others may come"
    assert data.origin.items() >= {"source": str(path), "seed": 0, "columns": kinds}.items()
    again = load_data(path, domain=data.domain)
    assert again.train.equal(data.train)
    assert again.origin == yaml.safe_load(yaml.safe_dump(again.origin))
    assert load_data(**again.origin).domain == data.domain
    refused("a.csv: no column 'aa'; did you mean 'a'", path, columns={"aa": "real"})
    refused("got both", path, columns={"a": "real"}, domain="vector:2:real")
    refused("digits: kinds of columns are for tables, got image:1x8x8:17", "digits", columns={})


def test_items_of_a_table_take_the_codes_of_its_domain(table):
    data = load_data(table("a,b\n" + "x,1.5\ny,2\n7,3\n" * 4))
    assert data.domain.columns[0].categories == ("7", "x", "y")
    items = load_items(table("b,a\n4,7\n5,7\n"), data.domain)  # the text 7, though it looks like a number
    assert items.x.tolist() == [[0, 4], [0, 5]]
    items = load_items(table("a,b,c\nx,1,2\nz,2,3\n"), data.domain)
    assert items.x.tolist() == [[1, 1], [3, 2]] and items.beside.to_pydict() == {"c": [2, 3]}
    assert "column 'a': 1 cell of categories never seen in training" in items.notes.found
    assert items.notes.ignored == ["1 column that the model does not have: c"]
    for text, match in {
        "a,b\nx,\n": "column 'b': missing in row 0, but the column has no missing cells",
        "a\nx\n": "expected the columns a, b; without b, which had no gaps in training",
    }.items():
        with pytest.raises(DataError, match=f"a.csv: {match}"):
            load_items(table(text), data.domain)
    np.save(table("").with_suffix(".npy"), np.array([[0, np.nan]]))
    with pytest.raises(DataError, match=r"column 'b': .*the column has no missing cells"):
        load_items(table("").with_suffix(".npy"), data.domain)


def test_parquet_needs_no_extra_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    frame = pd.DataFrame({"a": [0, 1] * 5, "b": pd.Categorical(["x"] * 10, categories=["y", "x"])})
    frame.to_parquet(tmp_path / "a.parquet")
    data = load_data(tmp_path / "a.parquet")
    assert data.domain == Domain.table(tmp_path / "a.parquet") == Domain.table(frame)
    assert data.domain.columns[1].categories == ("y", "x")
    frame[["a"]].to_parquet(tmp_path / "b.parquet")
    assert str(load_data(tmp_path / "b.parquet").domain) == "table:a: categorical (2 and others)"


def test_table_in_another_encoding(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("a,ü\n1,2\n".encode("latin-1"))
    refused(r"a.csv: byte 2 \(0xFC\) is not valid UTF-8; as cp1252 it reads .*--encoding cp1252", path)


# Text


def test_text(tmp_path):
    path = tmp_path / "a.txt"
    text = ("naïve ≠ €\r\n" * 200)[: 64 * 20 + 5]
    path.write_bytes(text.encode())
    data = load_data(path)
    assert str(data.domain) == f"sequence:64:{len(set(text))}"
    assert data.vocabulary == tuple(sorted(set(text)))
    assert (len(data.train), len(data.valid), len(data.test)) == (16, 2, 2)
    whole = torch.cat([data.streams[split].values for split in ("train", "valid", "test")])
    assert "".join(data.vocabulary[k] for k in whole) == text
    assert "".join(data.vocabulary[k] for k in data.train.flatten()) == text[: 16 * 64]
    assert "valid and test are cut off the end, 1029/128/128 steps" in data.source


def test_text_with_a_domain(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abcd" * 100)
    data = load_data(path, domain="sequence:8:65")
    assert (str(data.domain), data.train.shape) == ("sequence:8:65", (40, 8))
    assert data.vocabulary == tuple("abcd")
    refused(
        "a.txt: has 4 different characters, more than the levels of the domain", path, domain="sequence:8:3"
    )
    refused("a.txt: text needs a domain such as sequence:64:4", path, domain="vector:8:4")
    refused("a.txt: text needs a domain such as sequence:64:4", path, domain="sequence:8:real")
    refused(
        "400 steps are too few to train on: 3 splits need a window of 200 each", path, domain="sequence:200:4"
    )
    path.write_bytes(b"\xff\xfd" * 200)
    refused(r"a.txt: byte 0 \(0xFF\) is not valid UTF-8; .*--encoding", path)


# Hugging Face


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The package `datasets`, off line and with its cache out of the way; a folder to write to."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    # The variables are read on import, which another test may have done.
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    return folder


def parquet(path, columns, **features):
    import datasets

    rows = datasets.Dataset.from_dict(columns)
    for column, feature in features.items():
        rows = rows.cast_column(column, feature)
    rows.to_parquet(path)
    return path


def test_parquet_table(hub):
    path = parquet(
        hub / "a.parquet", {"a": list(range(10)), "b": [k / 2 for k in range(10)], "c": [True] * 10}
    )
    data = load_data(f"hf:{path}")
    assert (
        str(data.domain)
        == "table:a: number (whole), b: number (multiples of 0.5), c: categorical (1 and others)"
    )
    assert len(data.train) == 8 and data.name == "a"
    assert "columns a, b, c" in data.source and "seeded split 80/10/10, seed 0" in data.source
    x = everything(data)
    assert x[x[:, 0].argsort()].tolist() == [[k, k / 2, 0] for k in range(10)]
    assert load_data(path).test.equal(data.test) and load_data(path).domain == data.domain
    assert load_data(f"hf:{path}", domain="vector:3:real").train.shape == (8, 3)


def test_parquet_folder_of_categories_with_labels(hub):
    import datasets

    label = datasets.ClassLabel(names=["no", "yes"])
    for split, count in (("train", 6), ("validation", 2), ("test", 3)):
        parquet(hub / f"{split}.parquet", {"a": [3] * count, "y": [1] * count}, y=label)
    data = load_data(f"hf:{hub}")
    assert str(data) == "set: table of 1 column, 6 train, 2 valid, 3 test, 2 classes"
    assert data.labels["valid"].tolist() == [1, 1] and data.class_names == ("no", "yes")
    assert "its own split" in data.source and "labels y" in data.source


def test_parquet_of_images(hub):
    import datasets

    pixels = rng.integers(0, 256, (10, 4, 6), dtype=np.uint8)
    pictures = [Image.fromarray(x) for x in pixels]
    path = parquet(hub / "a.parquet", {"img": pictures, "n": [0] * 10}, img=datasets.Image())
    data = load_data(path)
    assert str(data.domain) == "image:1x4x6:256" and "column img" in data.source
    order = np.random.default_rng(0).permutation(10)
    assert everything(data)[:, 0].tolist() == pixels[order].tolist()


def test_parquet_of_images_as_a_viewer_shows_them(hub):
    import datasets

    sheet = Image.new("LA", (6, 4), (0, 0))
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
    frames[0].save(hub / "b.gif", save_all=True, append_images=frames[1:])
    path = parquet(
        hub / "a.parquet",
        {"img": [{"bytes": (hub / "b.gif").read_bytes()}, sheet] * 5, "y": [0, 1] * 5},
        img=datasets.Image(),
        y=datasets.ClassLabel(names=["a", "b"]),
    )
    data = load_data(path, size=3, fit="stretch")
    assert str(data).startswith("a: image:3x3x3:256, 8 train") and data.class_names == ("a", "b")
    assert data.origin["size"] == [3, 3] and len(data.notes.ignored) == 1
    white = data.train.flatten(1).float().mean(1) == 255
    assert torch.equal(white, data.labels["train"].bool())
    assert len(everything(load_data(path, frames="all"))) == 15


def test_hub_folder_of_images(hub):
    for split, count in (("train", 3), ("test", 2)):
        for k in range(count):
            picture(hub / split / "b" / f"{k}.png", 100 + k)
            picture(hub / split / "a" / f"{k}.png", 200 + k)
    data = load_data(f"hf:{hub}")
    assert str(data) == "set: image:1x4x6:256, 5 train, 1 valid, 4 test, 2 classes"
    assert ((data.test[:, 0, 0, 0] < 200) == data.labels["test"].bool()).all()


@pytest.mark.parametrize(
    "columns, match",
    [
        ({"t": [None] * 9}, "no column to model; column 't' is left out: all cells are missing"),
        ({"a": [[1, 2]] * 9}, "column 'a': expected numbers, text or booleans, got list"),
    ],
)
def test_hub_tables_that_are_refused(columns, match, hub):
    path = parquet(hub / "a.parquet", columns)
    refused(f"a.parquet: {match}", path)
    refused(f"a.parquet: {match}", f"hf:{path}")


def test_hub_table_with_its_own_split(hub):
    for split, values in (("train", ["b", None, "b"]), ("validation", ["a"]), ("test", ["c"])):
        parquet(hub / f"{split}.parquet", {"t": values, "x": [0.5] * len(values)})
    data = load_data(f"hf:{hub}")
    assert data.domain.columns[0].categories == ("a", "b", "c") and data.domain.columns[0].missing
    assert data.train[:, 0].nan_to_num(-1).tolist() == [1, -1, 1]
    assert (data.valid[0, 0], data.test[0, 0]) == (0, 2)


def test_hub_without_train_split_or_network(hub):
    parquet(hub / "test.parquet", {"a": [1] * 9})
    refused("expected a split named train, got test", f"hf:{hub}")
    refused("hf:nobody/nothing: cannot be read: ", "hf:nobody/nothing")
    (hub / "bad.parquet").write_bytes(b"no parquet")
    refused("bad.parquet: cannot be read: ", hub / "bad.parquet")


def test_hub_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    refused(r"datasets is not installed; .*chainrule\[hub\]", "hf:mnist", error=MissingExtraError)


def test_all_errors_are_the_librarys():
    assert issubclass(DataError, ChainruleError) and issubclass(ChainruleError, ValueError)


def test_a_sheet_of_photographs_is_cut_row_by_row(tmp_path):
    from PIL import Image

    from chainrule.data.sets.cifar import _sheet

    tiles = np.arange(10000).reshape(100, 100, 1, 1, 1)
    inside = np.arange(3) + 3 * np.arange(2).repeat(512)[:1024].reshape(32, 32)[..., None]
    pixels = ((tiles + inside[None, None]) % 251).astype(np.uint8)  # (row, column, H, W, C)
    Image.fromarray(pixels.swapaxes(1, 2).reshape(3200, 3200, 3)).save(tmp_path / "sheet.png")
    cut = _sheet(tmp_path / "sheet.png")
    assert cut.shape == (10000, 3, 32, 32)
    assert (cut == pixels.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)).all()


# --- texts as bytes -------------------------------------------------------------------------------


def test_characters_become_the_bytes_of_the_file(tmp_path):
    content = "naïve – cafés\n".encode() * 30
    (tmp_path / "book.txt").write_bytes(content)
    found = as_bytes(read_text(tmp_path / "book.txt", Reading(Domain.sequence(8, 20))))
    assert b"".join(bytes(part.tolist()) for parts in found.streams.values() for part in parts) == content
    assert is_bytes("".join(found.vocabulary))


def test_a_named_text_has_as_many_levels_as_its_domain_says(tmp_path, monkeypatch):
    (tmp_path / "book.txt").write_bytes(content := b"to be or not to be\n" * 20)
    entry = named_sets.Entry(
        "a book", lambda path: read_text(path, Reading()), "book.txt", hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setitem(named_sets.NAMED, "book", entry)
    data = load_data("book", data_dir=tmp_path, domain="sequence:16:256")
    assert data.streams["train"].values[:5].tolist() == list(b"to be") and is_bytes("".join(data.vocabulary))
    assert load_data("book", data_dir=tmp_path).domain.levels == 8

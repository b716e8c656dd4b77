"""Sources that stay in their files are what they are in memory: the same items, domain, splits and curves."""

import io
import tarfile

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image

import chainrule as cr
from chainrule.data import load_items
from chainrule.data.large import read_tables, stored
from chainrule.data.large.stored import Stored, in_memory
from chainrule.errors import DataError
from chainrule.report.sounds import show_sounds
from chainrule.training.batches import WindowOrder, in_order, shuffled
from chainrule.training.ranks import Ranks

ROWS = 3000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path):
    """Parquet files of a table, of which a late row alone shows a half, a gap, an end and a fifth town."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "id": np.arange(ROWS) + 1,
        "age": rng.integers(18, 90, ROWS).astype(float),
        "town": rng.choice(["Ash", "Elm", "Oak", "Fir"], ROWS),
        "size": np.round(rng.normal(20, 5, ROWS), 1),
        "glad": rng.random(ROWS) < 0.5,
        "day": pd.Timestamp("2020-03-01") + pd.to_timedelta(rng.integers(0, 900, ROWS), "D"),
    })  # fmt: skip
    frame.loc[2777, ["age", "town"]] = [101.0, "Yew"]
    frame.loc[2700, "size"] = 20.25
    frame.loc[2778, "age"] = np.nan
    folder = tmp_path / "people"
    folder.mkdir()
    for k in range(3):
        frame[k * 1000 : (k + 1) * 1000].to_parquet(folder / f"{k}.parquet", index=False, row_group_size=400)
    return folder


def test_the_columns_are_those_of_all_rows(table, monkeypatch):
    whole = cr.load_data(table)
    monkeypatch.setattr(read_tables, "SEEN", 500)
    parts = cr.load_data(table, in_parts=True)
    assert parts.domain == whole.domain
    assert set(parts.notes.columns) == set(whole.notes.columns)
    assert [column.name for column in parts.carried] == ["id"]
    assert any("row numbers" in line for line in parts.notes.ignored)


def test_each_row_is_in_one_split(table):
    parts = cr.load_data(table, in_parts=True)
    assert isinstance(parts.train, Stored) and len(parts.train) == ROWS - 600
    every = load_items(table, cr.data.Reading(domain=parts.domain, in_parts=False)).x
    found = torch.cat([parts.train[:], parts.valid, parts.test])
    order = [np.lexsort(x.nan_to_num(-1).numpy().T) for x in (every, found)]
    assert torch.equal(every[order[0]].nan_to_num(-1), found[order[1]].nan_to_num(-1))


def test_a_verb_gets_rows_in_their_order_and_the_split_of_training(table):
    parts = cr.load_data(table, in_parts=True)
    how = cr.data.Reading(domain=parts.domain, in_parts=True)
    items = load_items(table, how)
    assert items.beside["id"].to_pylist() == list(range(1, ROWS + 1))
    assert torch.equal(load_items(table, how, split="test").x.nan_to_num(-1), parts.test.nan_to_num(-1))


def test_the_second_time_nothing_is_searched(table, monkeypatch):
    first = cr.load_data(table, in_parts=True)
    monkeypatch.setattr(read_tables, "survey", None)
    again = cr.load_data(**first.origin)
    assert again.domain == first.domain and torch.equal(
        again.valid.nan_to_num(-1), first.valid.nan_to_num(-1)
    )
    assert torch.equal(*(in_memory(data.train).nan_to_num(-1) for data in (again, first)))


def test_files_that_changed_are_noticed(table):
    origin = cr.load_data(table, in_parts=True).origin
    pd.read_parquet(table / "0.parquet")[:900].to_parquet(table / "0.parquet")
    with pytest.raises(DataError, match="has changed since the run was trained"):
        cr.load_data(**origin)


def test_folders_of_a_table_are_columns_and_splits(table, tmp_path):
    hive = tmp_path / "hive"
    for k, file in enumerate(sorted(table.iterdir())):
        (hive / f"year={2020 + k}").mkdir(parents=True)
        file.rename(hive / f"year={2020 + k}" / "part.parquet")
    for in_parts in (False, True):
        data = cr.load_data(hive, in_parts=in_parts)
        assert data.domain.columns[-1].name == "year"
    for k, split in enumerate(("train", "valid", "test")):
        (hive / f"year={2020 + k}").rename(hive / split)
    data = cr.load_data(hive, in_parts=True)
    assert [len(x) for x in (data.train, data.valid, data.test)] == [1000, 1000, 1000]


def test_an_epoch_has_each_item_once_whoever_reads_it(table, monkeypatch):
    monkeypatch.setattr(stored, "WINDOW", 40_000)  # two blocks of nine
    x = cr.load_data(table, in_parts=True).train
    order = WindowOrder(x, 64, seed=3, passes=1, ranks=None)
    batches = list(order)
    assert sorted(place for batch in batches for place in batch) == list(range(len(x)))
    assert [len(batch) for batch in batches[:-1]] == [64] * (len(order) - 1)
    assert batches == list(WindowOrder(x, 64, seed=3, passes=1, ranks=None))
    order.set_epoch(1)
    assert batches != list(order)
    read = torch.cat([part for (part,) in shuffled(x, None, 64, 3)])
    assert torch.equal(read.nan_to_num(-1), x[:][[i for batch in batches for i in batch]].nan_to_num(-1))
    assert torch.equal(
        torch.cat([part for (part,) in in_order(x, None, 100, Ranks())]).nan_to_num(-1), x[:].nan_to_num(-1)
    )


def test_processes_share_each_batch(table):
    x = cr.load_data(table, in_parts=True).train
    whole = list(WindowOrder(x, 64, 3, 1, Ranks()))
    parts = [list(WindowOrder(x, 64, 3, 1, Ranks(devices=3, rank=rank))) for rank in range(3)]
    assert [[place for part in own for place in part] for own in zip(*parts, strict=True)] == whole


def test_blocks_are_read_once_an_epoch(table, monkeypatch):
    monkeypatch.setattr(stored, "WINDOW", 40_000)
    x = cr.load_data(table, in_parts=True).train
    loaded = []
    load = type(x.source).load
    monkeypatch.setattr(type(x.source), "load", lambda self, block: loaded.append(block) or load(self, block))
    for _ in shuffled(x, None, 64, 3):
        pass
    assert sorted(loaded) == list(range(9))


def test_a_run_is_that_of_memory(table):
    """The same items in the same splits: the same validation, and curves that differ by the order of items alone."""
    parts = cr.load_data(table, in_parts=True)
    memory = cr.data.Data("people", parts.train[:], parts.valid, parts.test, parts.domain)
    curves = []
    for data in (parts, memory):
        torch.manual_seed(0)
        run = cr.fit(
            cr.create_model("made", data.domain, hidden=[16]), data, epochs=4, progress=False, device="cpu"
        )
        curves.append([row["valid_nats"] for row in run.metrics])
    np.testing.assert_allclose(*curves, rtol=0.02)


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(60):
        folder = tmp_path / "pictures" / "cat" if k % 3 else tmp_path / "pictures" / "dog"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(folder / f"{k:02d}.png")
    return tmp_path / "pictures"


def pairs(data, split):
    """The pixels and the label of each picture."""
    x, labels = data.split(split)
    return [(one.flatten().tolist(), int(label)) for one, label in zip(x[:], labels, strict=True)]


def test_pictures(pictures):
    whole, parts = cr.load_data(pictures, in_parts=False), cr.load_data(pictures, in_parts=True)
    assert isinstance(parts.train, Stored) and parts.domain == whole.domain
    assert parts.class_names == whole.class_names
    for split in ("train", "valid", "test"):
        ours, theirs = (
            sorted(
                (x.flatten().tolist(), int(label))
                for x, label in zip(data.split(split)[0][:], data.labels[split], strict=True)
            )
            for data in (parts, whole)
        )
        assert ours == theirs
    items = load_items(pictures, cr.data.Reading(domain=parts.domain, in_parts=True))
    assert torch.equal(items.x[:], load_items(pictures, parts.domain).x)


def test_a_picture_that_is_unlike_the_others_is_named(pictures, monkeypatch):
    monkeypatch.setattr("chainrule.data.large.pictures.LOOKED_AT", 2)
    Image.new("RGB", (9, 9)).save(pictures / "cat" / "30.png")
    with pytest.raises(
        DataError, match=r"30\.png: expected 6x5 pixels .* got 9x9; bring all to one size with --size"
    ):
        cr.load_data(pictures, in_parts=True).train[:]
    assert cr.load_data(pictures, in_parts=True, size="4x4").train[:].shape[1:] == (3, 4, 4)
    for file in sorted(pictures.rglob("*.png")):
        if file.name != "30.png":
            Image.open(file).convert("L").resize((9, 9)).save(file)
    Image.new("RGB", (9, 9), "red").save(pictures / "cat" / "31.png")
    with pytest.raises(DataError, match=r"31\.png: expected grey .*--mode RGB or --mode L"):
        cr.load_data(pictures, in_parts=True).train[:]


def test_tar_shards(pictures, tmp_path):
    """WebDataset: a picture and its class have one name; the number of a shard is not a split."""
    (tmp_path / "shards").mkdir()
    files = sorted(pictures.rglob("*.png"))
    for shard in range(3):
        with tarfile.open(tmp_path / "shards" / f"photos-{shard:04d}.tar", "w") as out:
            for file in files[shard::3]:
                for name, content in (
                    (file.name, file.read_bytes()),
                    (f"{file.stem}.cls", str(int(file.parent.name == "dog")).encode()),
                ):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    out.addfile(entry, io.BytesIO(content))
    data = cr.load_data(tmp_path / "shards")
    whole = cr.load_data(pictures, in_parts=False)
    assert data.domain == whole.domain and len(data.train) == len(whole.train) == 48
    found = sorted(
        (x.flatten().tolist(), int(label))
        for split in ("train", "valid", "test")
        for x, label in zip(data.split(split)[0][:], data.labels[split], strict=True)
    )
    expected = sorted(
        (np.asarray(Image.open(file)).transpose(2, 0, 1).flatten().tolist(), int(file.parent.name == "dog"))
        for file in files
    )
    assert found == expected


def test_sets_of_the_hub(pictures, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    files = sorted(pictures.rglob("*.png"))
    rows = {"image": [str(file) for file in files], "kind": [file.parent.name for file in files]}
    features = datasets.Features(
        {"image": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])}
    )
    (tmp_path / "set").mkdir()
    for k in range(2):
        own = {name: values[k::2] for name, values in rows.items()}
        datasets.Dataset.from_dict(own, features=features).to_parquet(
            tmp_path / "set" / f"train-{k}.parquet", batch_size=10
        )
    whole, parts = (cr.load_data(f"hf:{tmp_path / 'set'}", in_parts=asked) for asked in (False, True))
    assert isinstance(parts.train, Stored) and parts.domain == whole.domain
    assert parts.class_names == whole.class_names == ("cat", "dog")
    ours, theirs = (
        sorted(pair for split in ("train", "valid", "test") for pair in pairs(data, split))
        for data in (parts, whole)
    )
    assert ours == theirs
    assert cr.load_data(tmp_path / "set", in_parts=True).domain == whole.domain


@pytest.mark.parametrize("kind", ["uint8", "float64"])
def test_an_array(kind, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (500, 4, 4, 3)).astype(kind) / (1 if kind == "uint8" else 7)
    np.save(tmp_path / "x.npy", x)
    whole, parts = (cr.load_data(tmp_path / "x.npy", in_parts=asked) for asked in (False, True))
    assert isinstance(parts.train, Stored) and parts.domain == whole.domain
    assert parts.train.dtype == whole.train.dtype
    ours, theirs = (sorted(data.train[:].flatten(1).tolist()) for data in (parts, whole))
    assert ours == theirs


def test_a_text_and_bytes(tmp_path):
    text = "The quick brown fox, née Füchsin, jumps over the lazy dog.\n" * 200
    (tmp_path / "t.txt").write_text(text)
    for domain in (None, "sequence:64:256"):
        whole, parts = (
            cr.load_data(tmp_path / "t.txt", domain=domain, in_parts=asked) for asked in (False, True)
        )
        assert parts.domain == whole.domain and parts.vocabulary == whole.vocabulary
        for split in ("train", "valid", "test"):
            assert torch.equal(parts.split(split)[0], whole.split(split)[0])
        assert (
            parts.train.untyped_storage().data_ptr()
            == parts.streams["train"].values.untyped_storage().data_ptr()
        )


@pytest.mark.parametrize("count", [1, 12])
def test_recordings(count, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "sounds"
    folder.mkdir()
    for k in range(count):
        samples = (3000 * rng.normal(size=9000 + 100 * k)).clip(-32768, 32767).astype(np.int16)
        soundfile.write(folder / f"{k:02d}.wav", samples, 8000)
    asked = {"domain": "sequence:256:256:given"}
    whole, parts = (cr.load_data(folder, in_parts=in_parts, **asked) for in_parts in (False, True))
    assert isinstance(parts.train, Stored) and parts.rate == whole.rate == 8000
    for split in ("train", "valid", "test"):
        assert torch.equal(parts.split(split)[0][:], whole.split(split)[0])
        starts = torch.arange(0, len(whole.streams[split].values), 173)
        ours, theirs = (data.streams[split].crop(data.domain, starts)[0] for data in (parts, whole))
        assert torch.equal(ours, theirs)
    model = cr.create_model("wavenet", parts.domain, channels=4, skip=4, depth=3)
    run = cr.fit(model, parts, epochs=1, progress=False, device="cpu")
    assert len(run.metrics) == 1 and show_sounds(run.model, parts)["sounds"]


def test_refusals(table, tmp_path):
    with pytest.raises(DataError, match="labels of a table that is read in parts are not supported"):
        cr.load_data(table, in_parts=True, labels=["town"])
    with pytest.raises(DataError, match="in_parts: expected True, False or None"):
        cr.load_data(table, in_parts="yes")
    (tmp_path / "latin.txt").write_bytes("née ".encode("latin-1") * 900)
    with pytest.raises(DataError, match=r"latin\.txt: cannot be read.*utf-8"):
        cr.load_data(tmp_path / "latin.txt", in_parts=True)
    assert "é" in cr.load_data(tmp_path / "latin.txt", in_parts=True, encoding="latin-1").vocabulary

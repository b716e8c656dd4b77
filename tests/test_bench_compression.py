"""The bench of compression: what codecs are given is what was to be coded, and the sizes are those of real files."""

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import chainrule as cr
from chainrule.bench import compressed_items, compression, special
from chainrule.bench.cases import notes_of, run_case, table_of
from chainrule.bench.codecs import CODECS, general
from chainrule.bench.compressed_items import measure_items
from chainrule.bench.special import measure_special, pictures
from chainrule.data import load_data
from chainrule.domain.column import Column
from chainrule.training import Run
from digits_run import write_run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(compressed_items, "CODECS", ("xz -9e",))
    monkeypatch.setattr(special, "PICTURES", {"PNG": special.PICTURES["PNG"]})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "digits"
    write_run(folder, "independent")
    return folder


@pytest.mark.parametrize("levels", [2, 256])
def test_the_sheet_shows_every_picture(levels):
    x = np.random.default_rng(0).integers(levels, size=(7, 1, 4, 5)).astype(np.uint8)
    alone, sheet = pictures(x, levels)
    assert (
        sheet.size == (3 * 5, 3 * 4)
        and len(alone) == 7
        and {picture.mode for picture in alone} == {sheet.mode}
    )
    shown = np.asarray(sheet).astype(np.uint8)
    for i, picture in enumerate(alone):
        row, column = divmod(i, 3)
        assert np.array_equal(np.asarray(picture), shown[4 * row : 4 * row + 4, 5 * column : 5 * column + 5])
        assert np.array_equal(np.asarray(picture), x[i, 0])
    colours = np.random.default_rng(0).integers(256, size=(2, 3, 4, 5)).astype(np.uint8)
    assert np.array_equal(np.asarray(pictures(colours, 256)[0][1]), colours[1].transpose(1, 2, 0))


def test_a_program_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    picture = Image.fromarray(np.zeros((4, 4), np.uint8))
    codecs = {name: special.BLACK_AND_WHITE[name] for name in ("PNG", "JBIG", "JPEG XL -e 9")}
    found = measure_special(codecs, [picture, picture], picture)
    assert found["alone"]["PNG"] == 2 * found["whole"]["PNG"]
    assert found["absent"] == {"JBIG": "no program pbmtojbg", "JPEG XL -e 9": "no program cjxl"}


def test_of_several_forms_the_smallest_counts():
    noise, zeros = np.random.default_rng(0).bytes(1000), bytes(1000)
    assert general(noise, zeros, names=["xz -9e"])["bytes"] == {"xz -9e": CODECS["xz -9e"](zeros)}


def test_sizes_are_those_of_files(folder):
    run, data = Run.open(folder), load_data("digits")
    whole = measure_items(run, data, 1000)
    blob = cr.compress(run.model, data.test.long())
    assert whole["bytes"]["chainrule"] == whole["coded"]["bytes"] == len(blob) and whole["items"] == len(
        data.test
    )
    part = measure_items(run, data, 60)
    assert part["coded"]["bytes"] == len(cr.compress(run.model, data.test[:60].long()))
    assert len(blob) <= part["bytes"]["chainrule"] <= 1.02 * len(blob)  # the head of a short file weighs more
    assert part["alone"]["variables"] == 60 * 64
    assert part["likelihood_bytes"] == pytest.approx(whole["likelihood_bytes"])


def test_a_record_says_how_much_was_coded(folder):
    record = run_case("compression", batch=3, runs=[str(folder)])
    expected = f"3 of {len(load_data('digits').test)} of {folder.parent.name}/digits."
    assert f"Coded, decoded and compared: {expected}" in notes_of(record)
    columns, rows = table_of(record)
    assert "PNG, a file each" in columns and len(columns) == len(rows[0])
    sizes = next(iter(record["sources"].values()))["bytes"]
    best = min(size for name, size in sizes.items() if name != "chainrule")
    assert rows[0][columns.index("beside the best")] == f"{sizes['chainrule'] / best - 1:+.1%}"


def test_rows_are_given_as_tables_are_kept():
    domain = cr.Domain.table([Column("size", "integer"), Column("colour", "categorical", ("red", "blue"))])
    rows, columns = compressed_items._forms(
        torch.tensor([[3.0, 1.0], [5.0, 0.0]], dtype=torch.float64), domain
    )
    assert rows == b"size,colour\n3,blue\n5,red\n" and columns.startswith(b"0,1\n3,5\n")
    bits = torch.tensor([[1, 0, 1], [1, 1, 0]])
    forms = compressed_items._forms(bits, cr.Domain.binary(3))
    assert (
        forms[0] == np.packbits([1, 0, 1, 1, 1, 0]).tobytes()
        and forms[1] == np.packbits([1, 1, 0, 1, 1, 0]).tobytes()
    )
    assert (
        forms[2:4] == [bytes([1, 0, 1, 1, 1, 0]), bytes([1, 1, 0, 1, 1, 0])] and forms[4] == b"1,0,1\n1,1,0\n"
    )


def test_sounds_are_a_file_each_or_one_whichever_is_smaller(tmp_path, monkeypatch):
    t, loud = np.arange(500), np.random.default_rng(0).integers(-30000, 30000, 500)
    sounds = [(1000 * np.sin(t / 9)).astype(np.int16), loud.astype(np.int16)] * 15
    for i, sound in enumerate(sounds):
        soundfile.write(tmp_path / f"{i}.wav", sound, 8000, subtype="PCM_16")
    data = load_data(str(tmp_path), rate=8000, domain="sequence:64:65536:given")
    sizes = {"len": lambda sound: len(sound[0]) ** 2, "one": lambda sound: 7}
    monkeypatch.setattr(compressed_items, "SOUNDS", sizes)
    bounds = data.streams["test"].bounds.diff().tolist()
    assert len(bounds) > 1
    found = compressed_items._special(data.test, data, 1)
    assert found["whole"] == {"len": sum(length**2 for length in bounds), "one": 7} and found["alone"] == {}


def test_a_model_that_codes_nothing_is_refused_first(folder, tmp_path, monkeypatch):
    write_run(tmp_path / "reals", "independent", domain=cr.Domain.vector(2))
    monkeypatch.setattr(compression, "measure_items", None)
    with pytest.raises(cr.errors.ChainruleError, match="expected levels"):
        run_case("compression", runs=[str(folder), str(tmp_path / "reals")])

"""Text files as they come: line ends, encodings, binary files, folders of texts, short ones."""

import codecs
from pathlib import Path

import numpy as np
import pytest
import soundfile

from chainrule.data import Reading, load_data, load_items
from chainrule.data.readers.decode_text import decode_text
from chainrule.domain import Domain
from chainrule.errors import DataError
from chainrule.training import Run
from test_cli import call

LINE = "naïve café ≠ €\n"


def text_of(data, split="train"):
    return ["".join(data.vocabulary[k] for k in part) for part in parts(data.streams[split])]


def parts(streams):
    return [streams.values[a:b].tolist() for a, b in zip(streams.bounds, streams.bounds[1:], strict=False)]


def whole(path, **options):
    """The texts of a source, as a verb reads them."""
    data = load_data(path, **options)
    items = load_items(
        path, Reading.of({**options, "domain": data.domain, "vocabulary": "".join(data.vocabulary)})
    )
    return ["".join(data.vocabulary[k] for k in part) for part in parts(items.streams)]


def refused(match, source, **options):
    with pytest.raises(DataError, match=match) as caught:
        load_data(source, **options)
    assert "\n" not in str(caught.value)


# Lines


def test_lines_are_cut_at_line_ends_only(tmp_path):
    odd = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # str.splitlines cuts at each of these
    lines = [f"a{character}b" for character in odd] + ["cd"] * 12
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "x.txt").write_bytes(end.join([*lines, ""]).encode())
        data = load_data(tmp_path / "x.txt", domain="sequence:4:20:ends")
        assert sum(len(getattr(data, split)) for split in ("train", "valid", "test")) == len(lines)
        assert set(data.vocabulary) == {*odd, *"abcd"}


def test_line_ends_of_a_text_are_kept(tmp_path):
    content = "a\r\nb\rc\n\x0c\u2028" * 40
    (tmp_path / "x.txt").write_bytes(content.encode())
    assert whole(tmp_path / "x.txt") == [content]


# Encodings


@pytest.mark.parametrize(
    "content, name",
    [
        (LINE.encode(), None),
        (codecs.BOM_UTF8 + LINE.encode(), "UTF-8 with a mark"),
        (LINE.encode("utf-16"), "UTF-16"),
        (codecs.BOM_UTF16_BE + LINE.encode("utf-16-be"), "UTF-16"),
        (codecs.BOM_UTF32_LE + LINE.encode("utf-32-le"), "UTF-32"),
        (codecs.BOM_UTF32_BE + LINE.encode("utf-32-be"), "UTF-32"),
    ],
)
def test_marks_tell_the_encoding(content, name, tmp_path):
    (tmp_path / "x.txt").write_bytes(content)
    data = load_data(tmp_path / "x.txt", domain="sequence:2:20")
    assert sorted(data.vocabulary) == sorted(set(LINE)) and "\ufeff" not in data.vocabulary
    assert [line for line in data.notes.found if "encodings" in line] == (
        [f"encodings: {name} (1)"] if name else []
    )
    assert whole(tmp_path / "x.txt", domain="sequence:2:20", encoding="cp1252" if name else None) == [LINE]


def test_other_encodings_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(("plain " * 200 + "un café crème ").encode("cp1252") * 3)
    refused(
        r"x.txt: byte 1,206 \(0xE9\) is not valid UTF-8; as cp1252 it reads 'plain un café crème plai': .* cp1252",
        path,
    )
    data = load_data(path, encoding="cp1252")
    assert "é" in data.vocabulary and data.origin["encoding"] == "cp1252"
    path.write_bytes("日本語の文章です".encode("shift_jis") * 40)
    refused("byte 0 .* is not valid UTF-8; .*(give its encoding with --encoding|would read)", path)
    assert "日" in load_data(path, encoding="shift_jis").vocabulary
    refused("is not valid ascii; give another encoding with --encoding", path, encoding="ascii")
    path.write_bytes(b"\x00\xd8" * 100)
    refused("byte 0 is not valid utf-16-le; give another encoding", path, encoding="utf-16-le")


def test_files_that_are_no_text_are_refused_with_the_hint_to_bytes(tmp_path):
    path = tmp_path / "x.txt"
    for content in (bytes(range(256)) * 9, b"PK\x03\x04\x00\x00" * 99, b"\x89PNG\r\n\x1a\n" + bytes(99)):
        path.write_bytes(content)
        refused("a model of bytes reads any file: --domain sequence:64:256", path)
        assert load_data(path, domain="sequence:16:256").train.shape[1] == 16
    path.write_bytes("no mark at its start ".encode("utf-16-le") * 20)
    refused("it may be utf-16-le without a mark: --encoding utf-16-le", path)
    assert whole(path, encoding="utf-16-le") == ["no mark at its start " * 20]
    path.write_bytes("Zeichen wie ä, ö und ü ".encode("utf-16-be") * 20)
    refused("it may be utf-16-be without a mark: --encoding utf-16-be", path)


@pytest.mark.parametrize("encoding", ["zip", "rot13", "no-such", 8, "", "utf-8\0"])
def test_names_that_are_no_encodings(encoding, tmp_path):
    (tmp_path / "x.txt").write_text("abc" * 100)
    refused(
        "encoding: expected the name of one, such as utf-8, cp1252 or utf-16, got",
        tmp_path / "x.txt",
        encoding=encoding,
    )


def test_halves_of_characters_are_refused():
    with pytest.raises(DataError, match="character 0 of unicode_escape is not Unicode"):
        decode_text(rb"\ud800", "x.txt", "unicode_escape")


def test_any_file_is_a_source_for_bytes(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(range(256)) * 4)
    data = load_data(tmp_path / "x.bin", domain="sequence:16:256")
    assert data.train[0].tolist() == list(range(16)) and "1 text of 1,024 bytes" in data.notes.found
    refused("x.bin: expected .* got .bin; a model of bytes reads any file", tmp_path / "x.bin")


# Folders


def books(folder, **texts):
    for name, text in texts.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_of_texts_is_a_stream_each(tmp_path):
    texts = {f"b{i}": chr(97 + i) * (100 + i) for i in range(5)}
    books(tmp_path, **texts)
    (tmp_path / "cover.tiff.bak").write_bytes(b"?")
    data = load_data(tmp_path)
    found = [text for split in ("train", "valid", "test") for text in text_of(data, split)]
    assert sorted(found) == sorted(texts.values())
    assert data.vocabulary == tuple("abcde") and str(data.domain) == "sequence:64:5"
    assert "5 texts of 510 characters, 5 different" in data.notes.found
    assert data.notes.ignored == ["1 other file: cover.tiff.bak"]
    items = load_items(tmp_path, Reading(data.domain, vocabulary="abcde"))
    assert items.names == tuple(f"b{i}.txt:{start}" for i in range(5) for start in (0, 36 + i))


def test_subfolders_of_texts_are_splits_and_classes(tmp_path):
    for split in ("train", "val", "test"):
        books(
            tmp_path,
            **{f"{split}__latin__1": "amo amas amat " * 9, f"{split}__greek__1": "λύω λύεις λύει " * 9},
        )
    data = load_data(tmp_path)
    assert data.class_names == ("greek", "latin") and data.streams["train"].labels.tolist() == [0, 1]
    lines = load_data(tmp_path, domain="sequence:200:30:ends")
    assert lines.labels["valid"].tolist() == [0, 1]


def test_texts_too_short_for_a_window_are_named(tmp_path):
    books(tmp_path, a="long enough " * 30, b="short", c="", d="long enough " * 30)
    data = load_data(tmp_path)
    assert data.notes.ignored == ["2 texts shorter than a window of 64: b.txt, c.txt"]
    with pytest.raises(
        DataError, match=r"b.txt: its 5 characters are fewer than a window of 64, as sequence:64:9 has"
    ):
        load_items(
            tmp_path / "b.txt", Reading(Domain.parse("sequence:64:9"), vocabulary="".join(data.vocabulary))
        )


def test_a_text_that_is_too_short_to_be_cut_is_one_to_train_on(tmp_path):
    books(tmp_path, **{"en__a": "the long one " * 60, "de__b": "der kurze Text" * 6})
    data = load_data(tmp_path)
    assert [len(text) for text in text_of(data)] == [84, 780 - 2 * 78]
    assert data.streams["train"].labels.tolist() == [0, 1] and data.streams["test"].labels.tolist() == [1]


def test_texts_beside_other_files_are_notes_about_them(tmp_path):
    books(tmp_path, README="what this is", LICENSE="what you may")
    soundfile.write(tmp_path / "x.wav", np.zeros(9000), 8000)
    data = load_data(tmp_path)
    assert data.rate == 8000 and data.notes.ignored == ["2 other files: LICENSE.txt, README.txt"]


# Runs


def test_a_run_keeps_the_encoding(tmp_path):
    text = "le café était très chaud, dès le matin\n" * 20
    (tmp_path / "x.txt").write_bytes(text.encode("cp1252"))
    train = ("train", "finite-memory", "--data", tmp_path / "x.txt", "--set", "width=4", "--epochs", 1)
    assert "--encoding cp1252" in call(*train, "--out", tmp_path / "run").error
    assert call(*train, "--encoding", "cp1252", "--out", tmp_path / "run").status == 0
    assert Run.open(tmp_path / "run").reading.encoding == "cp1252"
    (tmp_path / "new.txt").write_bytes(text[:80].encode("cp1252"))
    scored = call("score", tmp_path / "run", tmp_path / "new.txt", "--json")
    assert scored.status == 0 and scored.json["items"] == 2
    (tmp_path / "short.txt").write_bytes(text[:40].encode("cp1252"))
    error = call("score", tmp_path / "run", tmp_path / "short.txt").error
    assert "short.txt: its 40 characters are fewer than a window of 64" in error and "--domain" in error


def test_classes_of_texts_by_name(tmp_path):
    """A model of languages, by the folder that each text lies in."""
    for i in range(6):
        books(
            tmp_path / "in",
            **{f"en__{i}": f"the cat sat {i}\n" * 10, f"de__{i}": f"die katze sass {i}\n" * 10},
        )
    settings = ("--set", "width=4", "--set", "classes=2", "--epochs", 1)
    trained = call("train", "gru", "--data", tmp_path / "in", *settings, "--out", tmp_path / "run")
    assert trained.status == 0 and "2 classes, by subfolder: de (6), en (6)" in trained.err
    assert call("sample", tmp_path / "run", "-n", 1, "--label", "en").status == 0
    assert Path(tmp_path / "run" / "report.html").exists()

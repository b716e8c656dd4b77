"""Compressing a table in text gives back the same bytes, or refuses."""

import csv
import re
from contextlib import suppress

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.coding.about import pack
from chainrule.coding.items import write_items
from chainrule.data import Reading, infer_columns
from chainrule.data.readers.arrow import as_arrow
from chainrule.errors import ChainruleError, DataError
from chainrule.tasks.decompress import decompress_file
from test_cli import call
from test_lossless import back, run_of

NASTY = {
    "quotes": b'a,"b"\n1,"x"\n2,y\n"3","z ""q"" z"\n',
    "all quoted": b'"a","b"\n"1","x"\n"2","y"\n',
    "no end of line": b"a,b\n1,x\n2,y",
    "windows": b"a,b\r\n1,x\r\n2,y\r\n",
    "old mac": b"a,b\r1,x\r2,y\r",
    "mixed ends": b"a,b\n1,x\r\n2,y\n\n\n3,z\n",
    "a mark": b"\xef\xbb\xbfa,b\n1,x\n",
    "utf-16": "a;b\n1;é\n2;y\n".encode("utf-16"),
    "utf-16-be": b"\xfe\xff" + "a;b\n1;é\n2;y\n".encode("utf-16-be"),
    "cp1252": "a;b\n1;é\n2;y\n".encode("cp1252"),
    "money": b'a,b\n"$1,000",x\n"$12,345",y\n$7,z\n',
    "percent": b"a,b\n12%,x\n3%,y\n 7% ,z\n",
    "zeros": b"zip,n\n01234,1.0\n12345,2\n00001,3.00\n",
    "signs": b"a,b\n+1,x\n-2,y\n3,z\n",
    "odd": b"a,b\n1,x\n2,y\n3,z\n?,x\n5,y\n",
    "missing": b"a,b\n1,NA\n2,\nNA,null\nnan,x\n,  \n",
    "spaces": b"a,b\n 1, x y \n2 ,  z\n",
    "no header": b"1,red\n2,blue\n3,red\n",
    "units": b"t,v\ns,m/s\n1,2\n3,4\n5,6\n",
    "totals": b"c,n\nA,1\nB,2\nC,3\nTotal,6\n",
    "row numbers": b",a\n0,5\n1,6\n2,5\n",
    "same names": b"a,a,\n1,2,3\n4,5,6\n",
    "booleans": b"a,b\nTRUE,1\nFALSE,2\nTRUE,3\n",
    "mixed booleans": b"a,b\nTRUE,1\nfalse,2\nTrue,3\n",
    "lonely": b"a\n1\n\n3\n\n\n",
    "line ends in cells": b'a,b\n1,"x\ny"\n2,"x\r\ny"\n',
    "decimal comma": b"a;b\n1,0;x\n2,0;y\n",
    "empty last": b"a,b\n1,x\n2,",
    "empty lines first": b"\n\r\na,b\n1,x\n2,y\n",
    "a quote inside": b'a,b\n1,5" pipe\n2,y\n',
}


def run_on(path, dropped=(), **reading):
    """A run of an untrained model of a file's columns, but for those that are dropped."""
    table = as_arrow(path, (), Reading.of(reading))
    domain = cr.Domain.table(infer_columns(table.drop_columns([*dropped])))
    return run_of(domain, "fvsbn", data=reading)


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_file_comes_back_byte_for_byte(name, tmp_path):
    path = tmp_path / ("a.tsv" if name == "old mac" else "a.csv")
    path.write_bytes(NASTY[name].replace(b",", b"\t") if path.suffix == ".tsv" else NASTY[name])
    run = run_on(path, **({"encoding": "cp1252"} if name == "cp1252" else {}))
    told = back(run, path, tmp_path / f"b{path.suffix}", tmp_path)
    assert (tmp_path / f"b{path.suffix}").read_bytes() == path.read_bytes()
    assert told["packed"] == told["of"] > 0 and told["verified"]


def test_the_first_rows_come_back(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'a,b\n1,"x"\n2,"y"\n3,z\n4,x\n\n')
    told = back(run_on(tmp_path / "a.csv"), tmp_path / "a.csv", tmp_path / "b.csv", tmp_path, items=2)
    assert (tmp_path / "b.csv").read_bytes() == b'a,b\n1,"x"\n2,"y"\n'
    assert (told["packed"], told["of"]) == (2, 4)


def test_regular_files_store_no_more_than_their_form(tmp_path):
    """Of 3,000 rows that are spelt alike, one template."""
    rows = "".join(f'"${1000 * (i % 7):,}";{"xyz"[i % 3]}\r\n' for i in range(3000))
    (tmp_path / "a.csv").write_text("a;b\r\n" + rows, newline="")
    run = run_on(tmp_path / "a.csv")
    told = back(run, tmp_path / "a.csv", tmp_path / "b.csv", tmp_path)
    (tmp_path / "c.csv").write_text(
        "a,b\n" + "".join(f"{1000 * (i % 7)},{'xyz'[i % 3]}\n" for i in range(3000))
    )
    other = back(run_on(tmp_path / "c.csv"), tmp_path / "c.csv", tmp_path / "d.csv", tmp_path)
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert abs(told["compressed"] - other["compressed"]) < 200  # the headers


def test_other_endings(tmp_path):
    (tmp_path / "a.csv").write_bytes(NASTY["money"])
    run = run_on(tmp_path / "a.csv")
    back(run, tmp_path / "a.csv", tmp_path / "b.parquet", tmp_path)
    assert as_arrow(tmp_path / "b.parquet").to_pydict() == {"a": [1000, 12345, 7], "b": ["x", "y", "z"]}


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,x\x01\n2,y\n")
    run = run_on(tmp_path / "a.csv")
    with pytest.raises(ChainruleError, match="cannot be restored exactly: it holds control characters"):
        back(run, tmp_path / "a.csv", tmp_path / "b.csv", tmp_path)


@pytest.mark.parametrize(
    "lines, codec",
    [
        ([["\0,\0\n", 1]], "utf-8"),  # fewer rows
        ([["\0,\0\n", 3]], "utf-8"),  # more rows
        ([["\0\n", 2]], "utf-8"),  # fewer cells
        ([["\0,\0,\0\n", 2]], "utf-8"),  # more cells
        ([["x" * 1000, 10**15], ["\0,\0\n", 2]], "utf-8"),  # a bomb
        ([["\0,\0\n", 2]], "no-codec"),
        ([["\0,\0\n", "x"]], "utf-8"),
        ([5], "utf-8"),
    ],
)
def test_altered_templates_are_refused(lines, codec, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,x\n2,y\n")
    run = run_on(tmp_path / "a.csv")
    columns = [{"name": "a", "type": "int64"}, {"name": "b", "type": "string"}]
    about = {"kind": "table", "ending": ".csv", "columns": columns, "header": True}
    x = cr.data.encode(tmp_path / "a.csv", run.model.domain.columns)
    for good in (True, False):
        given = (
            {"lines": [["a,b\n", 1], ["\0,\0\n", 2]], "codec": "utf-8"}
            if good
            else {"lines": lines, "codec": codec}
        )
        with (tmp_path / "x.chr").open("wb") as file:
            write_items(run.model, torch.from_numpy(x), None, file, about=pack(about | given))
        if good:
            decompress_file(run, tmp_path / "x.chr", tmp_path / "b.csv")
            assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
        else:
            with pytest.raises(ChainruleError):
                decompress_file(run, tmp_path / "x.chr", tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


RAW = [
    "1",
    '"1"',
    "1.0",
    "2",
    "x",
    '"x,y"',
    '"a ""q"""',
    " x ",
    "",
    '""',
    "NA",
    "?",
    '"l\n m"',
    '"$1,000"',
    "01",
    "é",
    '5" pipe',
]
LINE = st.tuples(st.sampled_from(RAW), st.sampled_from(RAW), st.sampled_from(["\n", "\r\n", "\n\n", "\r"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, min_size=1, max_size=9))
def test_any_lines_come_back(tmp_path, lines):
    path = tmp_path / "a.csv"
    text = "".join(
        f"{first},{second}{end}" for first, second, end in [("a", "b", "\n"), ("1", "x", "\n"), *lines]
    )
    path.write_text(text, newline="")
    with suppress(DataError):  # a column that has no cells cannot be modelled
        run = run_on(path)
        back(run, path, tmp_path / "b.csv", tmp_path)
        assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()


def done(*arguments):
    """What a command prints, once it has succeeded."""
    ended = call(*arguments)
    assert ended.status == 0, ended.err
    return ended.out + ended.err


def test_commands_keep_the_spelling(tmp_path):
    """What `sample` and `complete` write is spelt as the file is; observed cells are those of the file."""
    rows = [
        f'"${1000 + 13 * i:,}";{i % 7}%;{"01234" if i % 2 else "20001"};{["NA", "DE", ""][i % 3]}'
        for i in range(60)
    ]
    (tmp_path / "a.csv").write_bytes("\n".join(["price;share;zip;côté", *rows, ""]).encode("cp1252"))
    run = tmp_path / "run"
    shown = done("train", "independent", "--data", tmp_path / "a.csv", "--out", run, "--encoding", "cp1252")
    assert "column 'côté': 'NA' is a value, of 20 cells" in shown
    done("sample", run, "-n", 5, "-o", tmp_path / "b.csv")
    done("complete", run, tmp_path / "a.csv", "-o", tmp_path / "c.csv")
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        header, *completed = csv.reader(file)
    assert header == ["price", "share", "zip", "côté"]
    assert [";".join(row[:3]) for row in completed] == [
        row.replace('"', "").rpartition(";")[0] for row in rows
    ]
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        for price, share, zip_code, _ in list(csv.reader(file))[1:]:
            assert re.fullmatch(r"-?\$(\d{1,3}(,\d{3})+|\d{1,3})", price) and re.fullmatch(r"-?\d+%", share)
            assert zip_code in ("01234", "20001")
    done("compress", run, tmp_path / "a.csv", "-o", tmp_path / "a.chr")
    done("decompress", run, tmp_path / "a.chr", "-o", tmp_path / "d.csv")
    assert (tmp_path / "d.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()

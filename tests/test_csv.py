"""Tables in text: every cell is read as it was meant, or a note or an error says what was done instead."""

import csv
import gzip
import io
import math
import re
import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

import chainrule as cr
from chainrule.data import Notes, Reading
from chainrule.data.notes import plain as plain_text
from chainrule.data.readers.arrow import as_arrow
from chainrule.data.readers.counts import Counts
from chainrule.data.readers.missing import MISSING
from chainrule.data.spelling import Spelling, respelt
from chainrule.domain.column import Column
from chainrule.errors import DataError


def read(folder, text, name="a.csv", known=(), **options):
    """The columns of a file, its notes in one text, and the spellings."""
    path, notes = folder / name, Notes()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    table = as_arrow(path, known, Reading.of(options), notes)
    spelt = {f.name: f.metadata[b"written"].decode() for f in table.schema if f.metadata}
    return table.to_pydict(), "\n".join(notes.lines()), spelt


# --- bytes → characters -----------------------------------------------------------------------------

NAMES = "name;n\nJosé;1\nŁódź;2\n"
CODECS = {
    "utf-8-sig": None,
    "utf-8": None,
    "utf-16": None,
    "utf-32": None,
    "cp1250": "cp1250",
    "utf-16-le": "utf-16-le",
}


@pytest.mark.parametrize("codec, asked", CODECS.items())
def test_encodings(codec, asked, tmp_path):
    found, _, _ = read(tmp_path, NAMES.encode(codec), encoding=asked)
    assert found == {"name": ["José", "Łódź"], "n": [1, 2]}


def test_an_encoding_that_is_not_named_is_refused_with_a_guess(tmp_path):
    with pytest.raises(DataError, match=r"as cp1252 it reads .*José.*--encoding cp1252"):
        read(tmp_path, "a\nJosé\n".encode("cp1252"))
    found, _, _ = read(tmp_path, "a\nJosé\n".encode("cp1252"), encoding="cp1252")
    assert found == {"a": ["José"]}


# --- delimiters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters_are_found(mark, tmp_path):
    found, notes, _ = read(tmp_path, f"a{mark}b\n1{mark}x\n2{mark}y\n")
    assert found == {"a": [1, 2], "b": ["x", "y"]}
    assert (f"cells separated by {mark!r}" in notes) == (mark != ",")


def test_a_delimiter_is_asked_for(tmp_path):
    assert read(tmp_path, "a:b\n1:x\n", delimiter=":")[0] == {"a": [1], "b": ["x"]}
    assert read(tmp_path, "a;b,c;d\n", "b.csv", header=False)[0].keys() == {
        "column_1",
        "column_2",
        "column_3",
    }
    assert read(tmp_path, "a;b,c;d\n", "c.csv", header=False, delimiter=",")[0] == {
        "column_1": ["a;b"],
        "column_2": ["c;d"],
    }
    assert read(tmp_path, "a,b\tc\nx,2\t3\n", "d.tsv")[0] == {"a,b": ["x,2"], "c": [3]}
    with pytest.raises(DataError, match="delimiter: expected one character"):
        read(tmp_path, "a", delimiter=";;")


def test_two_delimiters_that_would_do_are_said(tmp_path):
    _, notes, _ = read(tmp_path, "a;b,c\n1;2,3\n")
    assert "cells separated by ';'; ',' would do too, --delimiter chooses" in notes


def test_a_line_of_other_length_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"Row #3: Expected 2 columns, got 3.*--delimiter"):
        read(tmp_path, "a,b\n1,2\n1,2,3\n")


def test_a_quote_that_is_never_closed_is_refused(tmp_path):
    with pytest.raises(DataError, match="a quote is opened and not closed"):
        read(tmp_path, 'a,b\n1,"x\n2,y\n3,z\n')


# --- numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells, values, spelling",
    [
        (["1,234", "12,345,678", "9"], [1234, 12345678, 9], "1,000"),
        (["1,234.5", "2.25"], [1234.5, 2.25], "1,000.#"),
        (["$1,000.00", "-$3.50"], [1000, -3.5], "$1,000.00"),
        (["€5", "€7"], [5, 7], "€1000"),
        (["5 €", "7 €"], [5, 7], "1000 €"),
        (["12%", "3.5%"], [12, 3.5], "1000.#%"),
        (["12.0%", "3.5%"], [12, 3.5], "1000.0%"),
        (["1 234", "5 678 901"], [1234, 5678901], "1 000"),
        (["1'234.50", "5.00"], [1234.5, 5], "1'000.00"),
        (["1.50", "2.00"], [1.5, 2], "1000.00"),
        (["1.5", "2.25"], [1.5, 2.25], None),
        (["+7", "1e3", "-.5"], [7, 1000, -0.5], None),
        (["−1.5", "2"], [-1.5, 2], None),  # the sign of typography
        (["1,5", "2"], [1.5, 2], None),
        (["1.234,5", "2"], [1234.5, 2], "1.000,#"),
    ],
)
def test_spellings_of_numbers(cells, values, spelling, tmp_path):
    text = "a\tb\n" + "".join(f"{cell}\tx\n" for cell in cells)
    found, _, spelt = read(tmp_path, text)
    assert found["a"] == values and spelt.get("a") == spelling


@pytest.mark.parametrize(
    "text", ["$1,000.00", "1000%", "1,000", "1 000,#", "-$1,000.00", "1000.#%", "yyyy-mm-dd", "1000", ""]
)
def test_a_spelling_is_a_text(text):
    spelling = Spelling.of(text)
    assert (str(spelling) == text) == (text not in ("-$1,000.00", "yyyy-mm-dd", ""))


@pytest.mark.parametrize(
    "text, value, spelt",
    [
        ("$1,000.00", -1234567.891, "-$1,234,567.89"),
        ("$1,000.00", -0.001, "$0.00"),
        ("1000%", 12.4, "12%"),
        ("1000.#%", 12.4, "12.4%"),
        ("1000.#", 1e-7, "0.0000001"),
        ("1.000,00 €", 1234.5, "1.234,50 €"),
        ("1,000", 999, "999"),
        ("1,000", math.nan, ""),
    ],
)
def test_numbers_are_written_as_they_were_spelt(text, value, spelt):
    assert Spelling.of(text).write(value) == spelt


def test_a_decimal_comma_after_the_first_lines(tmp_path):
    found, notes, _ = read(tmp_path, "a;b\n" + "1;2\n" * 200 + "1,5;3\n")
    assert found["a"][-1] == 1.5 and "decimal commas in a" in notes


def test_what_one_separator_means_follows_from_the_rest_of_the_file(tmp_path):
    """1,234 is 1.234 or 1234, and 1.234 likewise."""
    for text, value in (
        ("a\tb\n1,234\t2.5\n", 1234),
        ("a\tb\n1,234\t2,5\n", 1.234),
        ("a\tb\n1.234\t2,5\n", 1234),
        ("a\tb\n1.234\t2.5\n", 1.234),
        ("a\tb\n1.234\tx\n", 1.234),
        ("a\tb\n1,234\tx\n", 1234),
        ("a;b\n$1,234;x\n", 1234),
        ("a;b\n1,234;x\n", 1.234),
    ):
        found, notes, _ = read(tmp_path, text)
        assert found["a"] == [value], text
        sure = "as the decimal signs of other columns say" in notes
        assert sure or "which nothing in the file decides" in notes or value == 1.234
    assert "column 'a': '1,234' is read as 1.234, which nothing in the file decides" in notes


def test_numbers_too_large_stay_text(tmp_path):
    found, notes, _ = read(tmp_path, "id,n\n18446744073709551617,1\n3,2\n")
    assert found["id"] == ["18446744073709551617", "3"] and "too large for 64 bits" in notes
    assert read(tmp_path, "id\n9007199254740993\n1\n")[0]["id"] == [9007199254740993, 1]


def test_leading_zeros_stay(tmp_path):
    found, notes, _ = read(tmp_path, "zip,n\n12345,1\n01234,2\n")
    assert found["zip"] == ["12345", "01234"] and "'01234' (row 1) begins with a zero" in notes
    assert read(tmp_path, "zip,n\n12345,1\n01234,2\n", columns={"zip": "integer"})[0]["zip"] == [12345, 1234]
    assert read(tmp_path, "a\n0\n0.5\n-0.25\n")[0]["a"] == [0, 0.5, -0.25]


# --- odd cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells, expected, note",
    [
        (["1", "2", "?", "4"], [1, 2, None, 4], r"column 'a': 1 cell is not a number.*'\?' \(row 2\)"),
        (
            ["-", "-", "3", "4", "-", "6"],
            [None, None, 3, 4, None, 6],
            r"3 cells are not numbers.*'-' \(row 0, 3 times\)",
        ),
        (["1", "2", "3", "4", "abc"], [1, 2, 3, 4, None], r"'abc' \(row 4\)"),
        ([*map(str, range(98)), "x", "y"], [*range(98), None, None], r"'x' \(row 98\), 'y' \(row 99\)"),
        ([*map(str, range(98)), "x", "x"], [*range(98), None, None], r"'x' \(row 98, 2 times\)"),
        # a level beside codes, and too many others
        (
            ["1", "2"] * 49 + ["A", "A"],
            ["1", "2"] * 49 + ["A", "A"],
            "read as text, for 2 of 100 cells are not numbers",
        ),
        (
            ["1", "2", "x", "y", "5"],
            ["1", "2", "x", "y", "5"],
            r"2 of 5 cells are not numbers: 'x' \(row 2\), 'y' \(row 3\).*--column a=number",
        ),
        (["1", "x"], ["1", "x"], "1 of 2 cells are not numbers: 'x'"),
        (["$5", "$6", "7", "$8"], [5, 6, None, 8], r"'7' \(row 2\)"),
    ],
)
def test_odd_cells(cells, expected, note, tmp_path):
    text = "a,b\n" + "".join(f"{cell},w{row}\n" for row, cell in enumerate(cells))
    found, notes, _ = read(tmp_path, text)
    assert found["a"] == expected
    assert re.search(note, notes), notes


def test_what_the_user_says_of_a_column_decides(tmp_path):
    text = "a,b\n1,x\n2,x\nq,x\nw,x\n5,x\n"
    assert read(tmp_path, text, columns={"a": "number"})[0]["a"] == [1, 2, None, None, 5]
    text = "a,b\n1,x\n2,x\n3,x\n4,x\nq,x\n"
    assert read(tmp_path, text, columns={"a": "categorical"})[0]["a"] == ["1", "2", "3", "4", "q"]


def test_a_row_of_units_and_one_of_totals_are_left_out(tmp_path):
    found, notes, _ = read(tmp_path, "t,v,n\ns,m/s,\n1,2,x\n3,4,y\n5,6,z\n")
    assert found == {"t": [1, 3, 5], "v": [2, 4, 6], "n": ["x", "y", "z"]}
    assert "ignored: row 0, which has units and no numbers: s, m/s" in notes
    found, notes, _ = read(tmp_path, "city,n\nA,1\nB,2\nC,3\nTotal,6\n")
    assert found == {"city": ["A", "B", "C"], "n": [1, 2, 3]}
    assert "ignored: the last row, which has totals: Total, 6" in notes
    assert read(tmp_path, "city,n\nTotal,1\nB,2\nC,3\nTotal,6\n")[0]["n"] == [1, 2, 3, 6]  # a level


# --- missing cells ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, options, expected",
    [
        ("c,n\nNA,1\nDE,2\nFR,\n", {}, ["NA", "DE", "FR"]),  # Namibia
        ("c,n\nNA,1\nDE,2\n,3\n", {}, ["NA", "DE", None]),
        ("c,n\nNA,1\nred,2\nblue,3\n", {}, ["NA", "red", "blue"]),
        ("c,n\nNA,1\nred,2\nblue,NA\n", {}, [None, "red", "blue"]),  # numbers say what NA is
        ("c,n\nNA,1\nred,2\n,3\n", {}, [None, "red", None]),
        ("c,n\nNA,1\nDE,2\nFR,\n", {"na_values": ["NA", ""]}, [None, "DE", "FR"]),
        ("c,n\nNA,1\nnull,2\n,3\n", {"na_values": [""]}, ["NA", "null", None]),
        ("c,n\nnull,1\nnan,2\nx,3\n", {}, [None, None, "x"]),
    ],
)
def test_missing_cells(text, options, expected, tmp_path):
    found, notes, _ = read(tmp_path, text, **options)
    assert found["c"] == expected
    assert ("'NA' is a value" in notes) == ("NA" in expected and not options)


def test_a_run_knows_whether_na_is_a_value(tmp_path):
    assert read(tmp_path, "c,n\nNA,1\n", known={"c": ("NA", "DE")})[0]["c"] == ["NA"]
    assert read(tmp_path, "c,n\nNA,1\n", known={"c": ("red", "DE")})[0]["c"] == [None]


def test_a_chosen_spelling_is_missing_among_numbers(tmp_path):
    found, _, _ = read(tmp_path, "a\n1\n-999\n3\n", na_values=["-999"])
    assert found["a"] == [1, None, 3]


def test_spaces(tmp_path):
    found, notes, _ = read(tmp_path, 'a,b\n x  y ,1\n"  ",2\nz,3\n')
    assert found["a"] == [" x  y ", None, "z"]
    assert "column 'a': 1 cell of spaces only, read as missing" in notes
    assert read(tmp_path, "39, State gov , 7\n40, State gov , 8\n")[0]["column_2"] == ["State gov "] * 2
    assert read(tmp_path, "a\n x y \n", known={"a": ("x y",)})[0]["a"] == ["x y"]  # a run that trimmed


def test_a_lonely_column_keeps_its_gaps(tmp_path):
    assert read(tmp_path, "a\n1\n\n3\n\n\n4\n")[0] == {"a": [1, None, 3, None, None, 4]}
    assert read(tmp_path, 'a\nx\n""\ny\n')[0] == {"a": ["x", None, "y"]}


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, header, first",
    [
        ("a,b\n1,x\n", True, "a"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6,2,virginica\n", False, 5.1),
        ("39, State-gov, 77516\n50, Private, 83311\n38, Private, 215646\n", False, 39),
        ("p,x,s\ne,x,s\np,x,y\ne,b,s\n", False, "p"),
        ("red\nblue\nred\n", False, "red"),
        ("colour\nblue\nred\n", True, "colour"),
        ("country,2019,2020\nFrance,5.1,6\nSpain,6.2,7\n", True, "country"),
        ("id,1,2,3\na,5,6,7\nb,7,8,9\n", True, "id"),
        ("Alice,34\nBob,25\n", False, "Alice"),
        ("1,2\n3,\n", False, 1),
        ("2019,2020\n5,6\n", False, 2019),
    ],
)
def test_what_the_first_line_is(text, header, first, tmp_path):
    found, notes, _ = read(tmp_path, text)
    names = list(found)
    assert names[0] == (first if header else "column_1")
    assert len(found[names[0]]) == text.count("\n") - header
    assert header or found["column_1"][0] == first
    assert ("--no-header if it is a row" if header else "--header if it has their names") in notes
    opposite, _, _ = read(tmp_path, text, header=not header)
    assert len(next(iter(opposite.values()))) == text.count("\n") - (not header)


def test_a_run_finds_its_names(tmp_path):
    for header in (None, False):
        path, columns = tmp_path / "a.csv", [Column("column_1", "integer"), Column("column_2", "integer")]
        how = Reading(domain=cr.Domain.table(columns), header=header)
        path.write_text("column_1,column_2\n3,4\n")  # as `sample` writes it
        assert as_arrow(path, (), how).to_pydict() == {"column_1": [3], "column_2": [4]}
        path.write_text("x,4\n")
        assert as_arrow(path, (), how).num_rows == 1


def test_names_are_made_distinct(tmp_path):
    found, notes, _ = read(tmp_path, "a,a,,a_2\n1,2,3,4\n5,6,7,8\n")
    assert found == {"a": [1, 5], "a_3": [2, 6], "column_3": [3, 7], "a_2": [4, 8]}
    assert "changed: names: a second 'a' is called 'a_3'" in notes
    assert "column 3, which has no name, is called 'column_3'" in notes


def test_row_numbers_of_a_frame_are_left_out(tmp_path):
    frame = pd.DataFrame({"a": [5, 6, 9]}, index=[0, 3, 4])
    found, notes, _ = read(tmp_path, frame.to_csv())
    assert found == {"a": [5, 6, 9]} and "ignored: the first column, which has no name" in notes
    assert read(tmp_path, ",a\n3,1\n1,2\n")[0] == {"column_1": [3, 1], "a": [1, 2]}
    assert read(tmp_path, frame.to_csv(), columns={"column_1": "integer"})[0]["column_1"] == [0, 3, 4]


# --- packed files -----------------------------------------------------------------------------------


def test_packed_tables(tmp_path):
    text = "a,b\n" + "1,x\n2,y\n" * 10
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write(text)
    with gzip.open(tmp_path / "a.tsv.gz", "wt") as file:
        file.write(text.replace(",", "\t"))
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", text)
    for name in ("a.csv.gz", "a.tsv.gz", "a.csv.zip"):
        assert as_arrow(tmp_path / name).to_pydict() == {"a": [1, 2] * 10, "b": ["x", "y"] * 10}
        data = cr.load_data(tmp_path / name, columns={})
        assert [column.name for column in data.domain.columns] == ["a", "b"]


def test_a_packed_table_that_grows_too_large_is_refused(tmp_path, monkeypatch):
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        file.write(b"1,2\n" * 100_000)
    monkeypatch.setenv("CHAINRULE_MAX_BYTES", "300000")
    with pytest.raises(DataError, match=r"would take .* of memory"):
        as_arrow(tmp_path / "a.csv.gz")


# --- options ----------------------------------------------------------------------------------------


def test_options_are_for_tables(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 2)))
    with pytest.raises(DataError, match=r"header is for .csv and .tsv, expected none, got False"):
        cr.load_data(tmp_path / "a.npy", header=False)
    for bad in ({"na_values": "NA"}, {"na_values": [1]}, {"header": 3}, {"delimiter": '"'}):
        with pytest.raises(DataError, match=next(iter(bad))):
            Reading.of(bad)


def test_options_go_with_the_data(tmp_path):
    (tmp_path / "a.csv").write_text("1:2\n3:x\n" * 20)
    data = cr.load_data(tmp_path / "a.csv", delimiter=":", header=False, na_values=["x"])
    assert {"delimiter": ":", "header": False, "na_values": ["x"]}.items() <= data.origin.items()
    assert [column.missing for column in data.domain.columns] == [False, True]


def test_spellings_are_the_columns(tmp_path):
    rows = "".join(f'"${1000 + 7 * i:,}.50",{i * i % 97}%,{i % 2 == 0}\n' for i in range(60)).replace(
        "True", "TRUE"
    )
    (tmp_path / "a.csv").write_text("price,share,flag\n" + rows.replace("False", "FALSE"))
    columns = cr.load_data(tmp_path / "a.csv").domain.columns
    assert [column.written for column in columns] == ["$1,000.00", "1000%", "TRUE/FALSE"]
    assert respelt("TRUE/FALSE", [True, None, False]) == ["TRUE", None, "FALSE"]


# --- beside pandas and pyarrow ----------------------------------------------------------------------

ODD = "an odd cell among numbers is missing, not a reason for text"
NOT_A_HEADER = "the first line is a row"
SPELT = "numbers are numbers, however they are spelt"
COMMAS = "a decimal comma is one"
GAPS = "an empty line of one column is a missing cell"
# Text → where pandas and where pyarrow differ from us, and why; None where they agree.
DIFFERENCES = {
    "a,b\n1,x\n2,y\n": (None, None),
    "a,b\n1.5,x\n2,\n": (None, "an empty cell of text is missing"),
    'a,b\n1,"x, y"\n2,"q ""z"""\n': (None, None),
    "a,b\r\n1,x\r\n2,y\r\n": (None, None),
    'a,b\n1,"two\nlines"\n2,y\n': (None, None),
    "a\tb\n1\tx\n": ("the delimiter is found", "the delimiter is found"),
    "a;b\n1;x\n": ("the delimiter is found", "the delimiter is found"),
    "a|b\n1|x\n": ("the delimiter is found", "the delimiter is found"),
    "a;b\n1,5;x\n": (COMMAS, COMMAS),
    'a,b\n"1,234",x\n"5,678",y\n': (SPELT, SPELT),
    "a,b\n12%,x\n3%,y\n": (SPELT, SPELT),
    'a,b\n"$1,000.00",x\n$2.50,y\n': (SPELT, SPELT),
    "a,b\n1,x\n?,y\n3,z\n4,w\n": (ODD, ODD),
    "a,b\n1,x\n-,y\n3,z\n4,w\n": (ODD, ODD),
    "a,b\n1,x\n2,y\n3,z\nabc,w\n": (ODD, ODD),
    "a,b\ns,\n1,x\n2,y\n3,z\n": ("a row of units is left out",) * 2,
    "city,n\nA,1\nB,2\nC,3\nTotal,6\n": ("a row of totals is left out",) * 2,
    "zip,n\n01234,1\n12345,2\n": ("leading zeros are kept",) * 2,
    "c,n\nNA,1\nDE,2\n": ("NA is a code of two letters", None),
    "c,n\nNA,1\nx,NA\n": (None, "NA is missing in text too"),
    "c,n\nnull,1\nx,2\n": (None, "null is missing in text too"),
    "a,b\n x,1\ny ,2\n": (None, None),
    "a,b\n  ,1\ny,2\n": ("a cell of spaces is missing",) * 2,
    "a,b\n 1,x\n 2,y\n": (None, None),
    "a,a\n1,2\n": ("a second name is a_2, not a.1", "a second name is a_2, not a"),
    ",a\n0,5\n1,6\n": ("row numbers are left out",) * 2,
    "5.1,x\n4.9,x\n6.0,y\n": (NOT_A_HEADER, NOT_A_HEADER),
    "1,2\n3,4\n": (NOT_A_HEADER, NOT_A_HEADER),
    "p,x\ne,x\np,y\n": (NOT_A_HEADER, NOT_A_HEADER),
    "a\n1\n\n3\n": (GAPS, GAPS),
    "a,b\n\n1,2\n\n": (None, None),
    "a,b\nTRUE,1\nFALSE,2\n": (None, None),
    "a,b\n1e3,-.5\n2,1\n": (None, None),
    "a,b\n0x1F,1\n2,3\n": (None, "0x1F is text, not 31"),
    "a,b\n18446744073709551617,1\n3,2\n": ("digits of a large number are kept",) * 2,
    "a,b\n1,2,\n": ("a line of other length is refused", None),
    'a,b\n1,"x\n2,y\n': (None, "a quote that is never closed is refused"),
}


def plain(columns):
    """Names → cells, in types that compare: missing cells are None, numbers floats."""

    def cell(value):
        if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
            return None
        return value if isinstance(value, str | bool | np.bool_) else float(value)

    return {str(name).strip(): [cell(value) for value in values] for name, values in columns}


def outcome(reader):
    """What it reads, or that it refuses."""
    try:
        return plain(reader())
    except (DataError, ValueError):
        return "refused"


@pytest.mark.parametrize("text", DIFFERENCES)
def test_beside_other_readers(text, tmp_path):
    """Where we differ from pandas and pyarrow the difference is wanted and named; where none is named there is none."""

    def ours():
        return read(tmp_path, text)[0].items()

    def by_pandas():
        frame = pd.read_csv(io.StringIO(text))
        return [(name, frame[name].tolist()) for name in frame]

    def by_arrow():
        table = arrow_csv.read_csv(
            pa.BufferReader(text.encode()), parse_options=arrow_csv.ParseOptions(newlines_in_values=True)
        )
        return zip(table.column_names, (column.to_pylist() for column in table.columns), strict=True)

    mine = outcome(ours)
    for why, other in zip(DIFFERENCES[text], (by_pandas, by_arrow), strict=True):
        found = outcome(other)
        assert (mine != found) == (why is not None), (other.__name__, mine, found)


# --- nothing is read wrong without a word -------------------------------------------------------------

CELL = st.one_of(
    st.sampled_from(
        ["", " ", "NA", "?", "01", "1,234", "$5", "7%", "TRUE", "false", "nan", "-", "1.50", "2020-01-02"]
    ),
    st.integers(-1000, 1000).map(str),
    st.floats(-100, 100, allow_nan=False).map(lambda value: f"{value:.3f}"),
    st.text('ab ",;\n\té', max_size=5),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)
    ),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    mark=st.sampled_from(",;\t|"),
)
def test_every_cell_is_kept_or_noted(rows, quoting, mark, tmp_path):
    """Text is the same text, a number the same number; a missing cell is empty, spelt as one, or noted."""
    file = io.StringIO()
    csv.writer(file, delimiter=mark, quoting=quoting, lineterminator="\n").writerows(
        [list("xyz")[: len(rows[0])], *rows]
    )
    try:
        found, notes, _ = read(tmp_path, file.getvalue(), delimiter=mark, header=True)
    except DataError:
        assert len(rows[0]) == 1 and not any(cell.strip("\n") for (cell,) in rows)  # holds no rows
        return
    left_out = notes.count("ignored: row 0") + notes.count("ignored: the last row")
    for name, cells in found.items():
        given = [row["xyz".index(name)] for row in rows]
        if left_out or len(cells) != len(given):  # empty lines at the end of a lonely column
            assert left_out or (len(rows[0]) == 1 and not any(cell.strip() for cell in given[len(cells) :]))
            continue
        for cell, was in zip(cells, given, strict=True):
            if isinstance(cell, str):
                assert cell == was or (cell == was[1:] and was[0] == " ")
            elif isinstance(cell, bool):
                assert was.strip().lower() == str(cell).lower()
            elif isinstance(cell, int | float):
                digits = re.sub(r"[$%\s]", "", was)
                assert cell in (float(digits.replace(",", "")), float(digits.replace(",", ".")))
            elif cell is None:
                assert was.strip() in MISSING or f"{plain_text(was.strip())!r} (row" in notes, notes
            else:
                assert was.strip().startswith(str(cell)[:10])


def test_how_cells_are_written_makes_no_other_column(tmp_path):
    (tmp_path / "a.csv").write_text("a\n" + "".join(f"{i * i}%\n" for i in range(30)))
    data = cr.load_data(tmp_path / "a.csv", columns={})
    plain = cr.load_data(pd.DataFrame({"a": [i * i for i in range(30)]}), columns={})
    assert data.domain == plain.domain and hash(data.domain) == hash(plain.domain)
    assert cr.Domain.from_json(data.domain.to_json()).columns[0].written == "1000%"


def test_dates_are_not_numbers_spelt_in_two_ways(tmp_path):
    days = pd.date_range("2024-01-01", periods=60).strftime("%d.%m.%Y")
    (tmp_path / "a.csv").write_text("joined,x\n" + "".join(f"{day},{i * i}\n" for i, day in enumerate(days)))
    data = cr.load_data(tmp_path / "a.csv")
    assert "joined: number (days)" in str(data.domain)
    assert not any("spelt" in note for note in data.notes.found)


# --- many rows --------------------------------------------------------------------------------------


def test_counts_of_texts_are_those_of_the_cells(monkeypatch):
    few, many = pa.array(["a", "1", "a", "2", "a"]), pa.array(["a", "1", "b", "2", "c"])
    monkeypatch.setattr("chainrule.data.readers.counts.FIRST", 4)
    monkeypatch.setattr("chainrule.data.readers.counts.DIFFERENT", 0.8)
    counted, cells = Counts.of(few), Counts.of(many)
    assert counted.texts.to_pylist() == ["a", "1", "2"] and counted.counts.tolist() == [3, 1, 1]
    assert cells.texts.to_pylist() == many.to_pylist() and cells.counts.tolist() == [1] * 5
    for found, source in ((counted, few), (cells, many)):
        assert found.counter() == Counter(source.to_pylist())
        assert found.share("[a-z]") == pytest.approx(0.6)
        assert found.without("[a-z]") == Counter(["1", "2"])
    assert Counts.of(few[:0]).share("a") == 0


@pytest.mark.parametrize("block", [1, 40, 1 << 20])
def test_blocks_of_parsing_change_nothing(block, tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.data.readers.delimited.MOST_BLOCK", max(block, 30))
    text = "a,b,c\n" + "".join(f'{i % 7},{i}.50,"x, {i % 3}\ny"\n' for i in range(60))
    found, _, spelt = read(tmp_path, text)
    assert found["a"] == [i % 7 for i in range(60)] and found["b"] == [i + 0.5 for i in range(60)]
    assert found["c"] == [f"x, {i % 3}\ny" for i in range(60)] and spelt == {"b": "1000.00"}

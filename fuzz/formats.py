"""Whole files of tables, of other programs' arrays, and packed ones; see `readers.py`."""

import gzip
import io
import random
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import feather, parquet
from scipy.io import savemat
from seeds import Reader, Seed, npy, read_array

from chainrule.data import load_data

TABLE = pa.table(
    {
        "job": ["clerk", "baker", None] * 10,
        "age": np.arange(30) + 0.5,
        "children": pa.array([0, 1, None] * 10),
        "kind": pa.array(["u", "v"] * 15).dictionary_encode(),
        "late": [True, False] * 15,
    }
)
OTHERS = pa.table(
    {
        "day": pa.array([0, 2**40] * 15, pa.timestamp("ms")),
        "nested": [[1], [2, 3]] * 15,
        "large": pa.array([2**63, 1] * 15, pa.uint64()),
        "bytes": [b"\xff", b""] * 15,
    }
)
BITS = np.random.default_rng(0).integers(0, 2, (30, 6), np.uint8)


def text(table: pa.Table, separator: str) -> bytes:
    """Cells with something between them."""
    rows = [table.column_names, *(map(str, row.values()) for row in table.to_pylist())]
    return "\n".join(separator.join(row) for row in rows).encode()


def to_parquet(table: pa.Table, **options) -> bytes:
    """A .parquet file."""
    target = io.BytesIO()
    parquet.write_table(table, target, **options)
    return target.getvalue()


def to_feather(table: pa.Table, **options) -> bytes:
    """A file of arrow's IPC."""
    target = io.BytesIO()
    feather.write_feather(table, target, **options)
    return target.getvalue()


def tables() -> list[Seed]:
    """Of every format, of plain and of strange columns."""
    return [
        Seed(".csv", text(TABLE, ",")),
        Seed(".csv", b"1,2\n3,4\n" * 9),
        Seed(".csv", b'a;b\n"1,5";x\n"2,5";"y;z"\n' * 1 + b'"1,5";x\n' * 9),
        Seed(".tsv", text(TABLE, "\t")),
        Seed(".csv.gz", text(TABLE, ","), gzip.compress),
        *(Seed(".parquet", to_parquet(TABLE, compression=name)) for name in ("none", "snappy", "zstd")),
        Seed(".parquet", to_parquet(TABLE, use_dictionary=False, row_group_size=7, data_page_version="2.0")),
        *(Seed(".feather", to_feather(TABLE, compression=name)) for name in ("uncompressed", "lz4")),
    ]


def strange_tables() -> list[Seed]:
    """Of columns that no model takes: each is refused, whole or damaged."""
    return [
        *(Seed(".parquet", to_parquet(OTHERS.select([name]))) for name in OTHERS.column_names),
        Seed(".csv", b"a,a\n1,2\n"),
        Seed(".csv", b"day\n2020-02-30\n2020-02-28\n"),
        Seed(".csv", b"a,b\n"),
        Seed(".csv", b"a\n" + b"9" * 400 + b"\n1\n"),
    ]


def read_refused(path: Path, chance: random.Random) -> None:
    """What cannot be read, unless the damage mends it; the whole file must say so."""
    try:
        load_data(path)
    except ValueError as error:
        assert path.name in str(error) and "\n" not in str(error)
        if type(error).__module__ != "chainrule.errors":
            raise


def mat(**options) -> bytes:
    """A .mat file."""
    target = io.BytesIO()
    content = {"x": BITS.astype(float), "y": np.arange(30)[:, None] % 3, "about": "words", "z": {"a": 1}}
    savemat(target, content, **options)
    return target.getvalue()


def matlab() -> list[Seed]:
    """Of versions 4 to 7."""
    old = io.BytesIO()
    savemat(old, {"x": BITS.astype(float)}, format="4")
    return [Seed(".mat", mat()), Seed(".mat", mat(do_compression=True)), Seed(".mat", old.getvalue())]


def hdf5() -> list[Seed]:
    """Chunked, squeezed and plain, with groups and links."""
    import h5py

    made = []
    for options in (
        {},
        {"chunks": (5, 2)},
        {"chunks": (7, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
    ):
        for version in ("earliest", "latest"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "a.h5")
                with h5py.File(path, "w", libver=version) as file:
                    file.create_dataset("train/x", data=BITS.astype(float), **options)
                    file["train/y"], file["about"] = np.arange(30) % 3, "words"
                    file["link"] = h5py.ExternalLink("b.h5", "x")
                made.append(Seed(".h5", path.read_bytes()))
    return made


def idx() -> list[Seed]:
    """Of every type, packed too."""
    made = []
    for kind, name in {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}.items():
        sizes = b"".join(n.to_bytes(4, "big") for n in BITS.shape)
        made.append(Seed("-idx2-ubyte", bytes([0, 0, kind, 2]) + sizes + BITS.astype(name).tobytes()))
    return [*made, Seed("-idx2-ubyte.gz", made[0].blob, gzip.compress)]


def stored(**files: bytes) -> bytes:
    """A .zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def packed() -> list[Seed]:
    """A .gz, and a .zip of pictures, of a table, of a text."""
    picture = io.BytesIO()
    Image.fromarray(BITS * 200).save(picture, "PNG")
    pictures = {f"pets/{kind}/{n}.png": picture.getvalue() for kind in "ab" for n in range(6)}
    words = b"to be or not to be, that is the question\n" * 30
    return [
        Seed(".zip", stored(**pictures)),
        Seed(".zip", stored(**{"a/people.csv": text(TABLE, ",")})),
        Seed(".zip", text(TABLE, ","), lambda blob: stored(**{"people.csv": blob})),
        Seed(".zip", stored(**{"words.txt": words})),
        Seed(".txt.gz", gzip.compress(words)),
        Seed(".txt.gz", words, gzip.compress),
        Seed(".npy.gz", npy(BITS), gzip.compress),
    ]


READERS = {
    "tables": Reader(tables, read_array),
    "strange tables": Reader(strange_tables, read_refused),
    "matlab": Reader(matlab, read_array),
    "hdf5": Reader(hdf5, read_array),
    "idx": Reader(idx, read_array),
    "packed": Reader(packed, read_array),
}

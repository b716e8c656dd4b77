"""MATLAB files: .mat of versions 5 to 7, and those of version 7.3, which are HDF5."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.readers.hdf5 import SIGNATURE, read_hdf5
from chainrule.data.readers.naming import Header, raw_of_arrays
from chainrule.data.reading import Reading
from chainrule.files import scratch

BYTES = {"double": 8, "single": 4, "logical": 1, "char": 4, "sparse": 8} | {
    f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)
}
START = 1 << 12  # bytes in which a file says that it is HDF5
FOUND = "found.npy"
HEADERS = """
import json, sys
from scipy.io import whosmat
print(json.dumps(whosmat(sys.argv[1], appendmat=False)))
"""
LOAD = f"""
import sys, numpy
from scipy.io import loadmat, whosmat
name = whosmat(sys.argv[1], appendmat=False)[int(sys.argv[2])][0]  # names may hold what no argument does
found = loadmat(sys.argv[1], appendmat=False, variable_names=[name])[name]
numpy.save("{FOUND}", found.toarray() if hasattr(found, "toarray") else found, allow_pickle=False)
"""


def read_mat(path: Path, how: Reading) -> Raw:
    """Read a .mat file; see `raw_of_arrays` for the names of arrays.

    Raises:
        DataError: if it is damaged, or names no array that is known; if one that is used holds no numbers.
        MissingExtraError: if it is of version 7.3, and h5py is not installed.
    """
    with reading(str(path)), path.open("rb") as stream:
        if SIGNATURE in stream.read(START):
            return read_hdf5(path, how, turned=True)
    with scratch() as folder:
        declared = json.loads(_apart(path, folder, HEADERS))
        names, headers = (
            [name for name, *_ in declared],
            {name: _header(shape, kind) for name, shape, kind in declared},
        )

        def load(name: str) -> np.ndarray:
            _apart(path, folder, LOAD, str(names.index(name)))
            return np.load(folder / FOUND, allow_pickle=False)

        return raw_of_arrays(path.stem, str(path), headers, load, matlab=True)


def _apart(path: Path, folder: Path, program: str, *arguments: str) -> str:
    """What a program says of a file, in a process of its own: damaged files break SciPy's reader, and all with it."""
    command = [sys.executable, "-c", program, os.path.abspath(path), *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode:
        said = (ended.stderr.strip().splitlines() or ["it breaks the reader"])[-1]
        with reading(str(path)):
            raise OSError(said)
    return ended.stdout


def _header(shape: tuple[int, ...], kind: str) -> Header:
    problem = "" if kind in BYTES and kind != "char" else f"expected numbers, got {kind}"
    return Header(tuple(shape), kind, BYTES.get(kind, 0), problem)

"""MATLAB files: .mat of versions 5 to 7, and those of version 7.3, which are HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.hdf5 import SIGNATURE, read_hdf5
from chainrule.data.naming import Header, raw_of_arrays
from chainrule.data.raw import Raw, reading
from chainrule.data.reading import Reading

BYTES = {"double": 8, "single": 4, "logical": 1, "char": 4, "sparse": 8} | {
    f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)
}
START = 1 << 12  # bytes in which a file says that it is HDF5


def read_mat(path: Path, how: Reading) -> Raw:
    """Read a .mat file; which array is what, `raw_of_arrays` says.

    Raises:
        DataError: if it is damaged, or names no array that is known; if one that is used holds no numbers.
        MissingExtraError: if it is of version 7.3, and h5py is not installed.
    """
    from scipy.io import loadmat, whosmat  # slow to import, and only needed here

    with reading(str(path)):
        with path.open("rb") as stream:
            if SIGNATURE in stream.read(START):
                return read_hdf5(path, how, turned=True)
        headers = {name: _header(shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}

        def load(name: str) -> np.ndarray:
            found = loadmat(path, appendmat=False, variable_names=[name])[name]
            return found.toarray() if headers[name].kind == "sparse" else found

        return raw_of_arrays(path.stem, str(path), headers, load, matlab=True)


def _header(shape: tuple[int, ...], kind: str) -> Header:
    problem = "" if kind in BYTES and kind != "char" else f"expected numbers, got {kind}"
    return Header(tuple(shape), kind, BYTES.get(kind, 0), problem)

"""HDF5 files, through h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.readers.naming import Header, raw_of_arrays
from chainrule.data.reading import Reading
from chainrule.errors import optional_import

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST = 1000  # data sets


def read_hdf5(path: Path, how: Reading, turned: bool = False) -> Raw:
    """Read an .h5 or .hdf5 file; see `raw_of_arrays` for the names of arrays. An array in a group is called GROUP_NAME.

    Nothing outside the file is opened: links, virtual data sets and external storage are refused.

    Args:
        path: the file.
        how: not used; all readers have it.
        turned: whether the axes are the other way round, as MATLAB writes them.

    Raises:
        DataError: if it is damaged, or names no array that is known; if one that is used holds no numbers.
        MissingExtraError: if h5py is not installed.
    """
    h5py = optional_import("h5py", "hdf5")
    with reading(str(path)), h5py.File(path, "r") as file:
        found = _sets(h5py, file)
        headers = {name: _header(each, turned) for name, each in found.items()}

        def load(name: str) -> np.ndarray:
            array = found[name][()]
            return array.T if turned else array

        return raw_of_arrays(path.stem, str(path), headers, load, matlab=turned)


def _sets(h5py: Any, file: Any) -> dict[str, Any]:
    """Name → data set or link, of the root and of the groups in it."""
    found: dict[str, Any] = {}
    groups = [("", file)]
    while groups:
        before, group = groups.pop()
        for name in list(group)[:MOST]:
            link = group.get(name, getlink=True)
            node = group[name] if isinstance(link, h5py.HardLink) else link
            if isinstance(node, h5py.Group) and not before:
                groups.append((f"{name}_", node))
            elif not isinstance(node, h5py.Group | h5py.Datatype):
                found[f"{before}{name}"] = node
    return found


def _header(node: Any, turned: bool) -> Header:
    if not hasattr(node, "dtype"):
        return Header((), "link", 0, "is a link to another place, which is not followed")
    kind, shape = node.dtype, node.shape
    header = Header(shape[::-1] if turned and shape else shape or (), str(kind), kind.itemsize)
    if shape is None or kind.kind not in "buif":
        return Header(
            header.shape, str(kind), 0, f"expected numbers, got {'nothing' if shape is None else kind}"
        )
    if node.is_virtual or node.external:
        return Header(header.shape, str(kind), 0, "lies in other files, which are not opened")
    return header

"""Sets of the Hugging Face hub, and local files in its formats, through the package `datasets`."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from chainrule.data.large.hub import read_hub_in_parts
from chainrule.data.limits import in_parts
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.stack import OPTIONS, Pictures, stack_images
from chainrule.data.readers.table import raw_of_tables
from chainrule.data.reading import Reading
from chainrule.errors import DataError, optional_import

KEYS = {"train": "train", "valid": "validation", "test": "test"}


def read_hub(name: str, where: str, how: Reading | None = None) -> Raw:
    """Read a set of images, or a table.

    The first column of images is the data, or else all columns but class labels are; the first column of
    class labels gives the labels. The splits train, validation and test are kept.

    Args:
        name: of a set on the hub; or the path of a .parquet file, or of a folder of these or of images.
        where: what messages call it.
        how: of images, see `stack_images`; of a table, `raw_of_tables`.

    Raises:
        DataError: if it cannot be loaded, has no train split, or neither images nor a table.
        MissingExtraError: if `datasets` is not installed.
    """
    datasets = optional_import("datasets", "hub")
    how = how or Reading()
    with reading(where):
        builder = datasets.load_dataset_builder(**_address(name))
        if in_parts(builder.info.dataset_size or _bytes(name), how.in_parts):
            return read_hub_in_parts(Raw(Path(name).stem, where, takes=OPTIONS), builder, how, KEYS)
        loaded = datasets.load_dataset(**_address(name))
    return raw_of_hub(Path(name).stem, where, loaded, how)


def raw_of_hub(name: str, where: str, loaded: Any, how: Reading) -> Raw:
    """The same of a `Dataset` or a `DatasetDict`; see `read_hub`."""
    datasets = optional_import("datasets", "hub")
    if isinstance(loaded, datasets.Dataset):
        loaded = {"train": loaded}
    splits = {split: loaded[key] for split, key in KEYS.items() if key in loaded}
    if "train" not in splits:
        raise DataError(f"{where}: expected a split named train, got {', '.join(loaded)}")
    features = splits["train"].features
    images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    classes = [column for column, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    raw = Raw(name, where, {})
    if classes:
        raw.class_names = tuple(features[classes[0]].names)
        raw.labels = {
            split: _column(where, split, rows, classes[0], "int64") for split, rows in splits.items()
        }
    if images:
        encoded = datasets.Image(decode=False)
        rows = {split: rows.cast_column(images[0], encoded) for split, rows in splits.items()}
        _add_images(raw, rows, images[0], how)
        raw.note = f"column {images[0]}"
    else:
        columns = [column for column in features if column not in classes]
        tables = {split: _table(where, split, rows, columns) for split, rows in splits.items()}
        found = raw_of_tables(raw.name, where, tables, how)
        raw.arrays, raw.domain, raw.notes = found.arrays, found.domain, found.notes
        raw.note = f"columns {', '.join(columns)}"
    if classes:
        raw.note += f", labels {classes[0]}"
    return raw


def needs_hub(path: Path) -> bool:
    """Whether a .parquet file holds images or class labels, which `datasets` reads."""
    with reading(str(path)):
        schema = parquet.read_schema(path)
    images = any(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 for kind in schema.types)
    return images or b'"ClassLabel"' in (schema.metadata or {}).get(b"huggingface", b"")


def _bytes(name: str) -> int:
    """The size of a file or folder."""
    path = Path(name).expanduser()
    files = [path] if path.is_file() else path.rglob("*.parquet")
    return sum(file.stat().st_size for file in files)


def _address(name: str) -> dict[str, Any]:
    """The arguments of `load_dataset`."""
    path = Path(name).expanduser()
    if path.is_file():
        return {"path": "parquet", "data_files": str(path)}
    if path.is_dir():
        return {"path": "parquet" if any(path.rglob("*.parquet")) else "imagefolder", "data_dir": str(path)}
    return {"path": name}


def _add_images(raw: Raw, splits: dict[str, Any], column: str, how: Reading) -> None:
    def pictures() -> Pictures:
        for split, rows in splits.items():
            for number, row in enumerate(rows.select_columns([column])):
                name, picture = f"{raw.where}: {split} row {number}", row[column]
                if picture is None:
                    raise DataError(f"{name}: missing image")
                yield name, BytesIO(picture["bytes"]) if picture["bytes"] else Path(picture["path"])

    with reading(raw.where):
        stack = stack_images(raw.where, pictures, how, raw.notes)
    raw.domain, raw.takes = stack.domain, OPTIONS
    for split, pixels, of in stack.parts({split: len(rows) for split, rows in splits.items()}):
        raw.arrays[split] = pixels
        if split in raw.labels:
            raw.labels[split] = raw.labels[split][of]


def _table(where: str, split: str, rows: Any, columns: list[str]) -> pa.Table:
    if not columns or len(rows) == 0:
        raise DataError(f"{where}: {split} holds no {'rows' if columns else 'images or cells'}")
    with reading(f"{where}: {split}"):
        return rows.select_columns(columns).with_format("arrow")[:]


def _column(where: str, split: str, rows: Any, name: str, kind: str) -> np.ndarray:
    with reading(f"{where}: column {name!r}"):
        column = rows.with_format("arrow")[:].column(name)
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise DataError(f"{where}: {split} row {row}, column {name!r}: missing value")
        return column.cast(kind).to_numpy()

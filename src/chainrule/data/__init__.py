"""Data sets: the named ones and the user's own files, as three splits and their domain."""

from chainrule.data.categories import encode
from chainrule.data.columns import infer_columns
from chainrule.data.dataset import Data
from chainrule.data.decoding import decode
from chainrule.data.items import Items
from chainrule.data.load import load_data, load_items, load_streams
from chainrule.data.notes import Notes
from chainrule.data.raw import Raw
from chainrule.data.readers.formats import READERS
from chainrule.data.reading import Reading
from chainrule.data.sets.folder import data_folder
from chainrule.data.sets.get import get_data
from chainrule.data.sets.named import NamedSet, list_data
from chainrule.data.streams import Streams

__all__ = [
    "READERS",
    "Data",
    "Items",
    "NamedSet",
    "Notes",
    "Raw",
    "Reading",
    "Streams",
    "data_folder",
    "decode",
    "encode",
    "get_data",
    "infer_columns",
    "list_data",
    "load_data",
    "load_items",
    "load_streams",
]

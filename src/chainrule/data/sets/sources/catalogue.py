"""The public sources of the named sets: sources.json lists the files, fixed by commit or version and digest."""

from __future__ import annotations

import json
from functools import partial
from importlib.resources import files
from typing import Any

from chainrule.data.sets.sources import pictures, sequences, tables
from chainrule.data.sets.sources.source import Download, Source

MAKERS = {
    "mnist": pictures.mnist,
    "binarized-mnist": pictures.binarized,
    "caltech-silhouettes": pictures.silhouettes,
    "fashion-mnist": pictures.fashion,
    "cifar-10": pictures.cifar,
    "tinyshakespeare": sequences.text,
    "names": sequences.text,
    "jsb-chorales": sequences.music,
    "nottingham": sequences.music,
    "fsdd": sequences.spoken_digits,
    **dict.fromkeys(("nltcs", "plants", "audio", "jester", "dna", "mushrooms", "nips-0-12"), tables.bits),
    "adult": tables.adult,
    "ocr-letters": tables.letters,
    "wine-red": tables.wine,
    "wine-white": tables.wine,
    "parkinsons": tables.parkinsons,
    "ionosphere": tables.ionosphere,
    "boston-housing": tables.boston,
    "bsds-patches": pictures.patches,
}


def _source(name: str, entry: dict[str, Any]) -> Source:
    downloads = tuple(Download(**download) for download in entry["downloads"])
    return Source(entry["licence"], downloads, partial(MAKERS[name], entry["file"]), entry["contents"])


SOURCES = {
    name: _source(name, entry)
    for name, entry in json.loads(files(__package__).joinpath("sources.json").read_text("utf-8")).items()
}

"""The golden files: small compressed files of formats 1 to 4, which every later version has to read.

    python tests/golden/write.py NAME

writes one anew; a file that is there is never written again, for it is what users have.
"""

import io
import sys
from pathlib import Path

import torch

import chainrule as cr
from chainrule.coding.about import pack
from chainrule.coding.container import varint
from chainrule.coding.items import write_items
from chainrule.coding.streams import compress_stream

HERE = Path(__file__).parent
# Models without weights: none of their numbers depends on a machine.
MODELS = {
    "image": cr.Domain.image(1, 4, 4, levels=5),
    "lengths": cr.Domain.sequence(6, 4, lengths="given"),
    "categories": cr.Domain.categorical(3, (2, 5, 3)),
    "file": cr.Domain.sequence(8, 256),  # of format 1, as all above and "sound"
    "file-2": cr.Domain.sequence(8, 256),
    "file-4": cr.Domain.sequence(8, 256),
    "sound": cr.Domain.sequence(8, 65536),
    "folder-2": cr.Domain.sequence(8, 256),
    "folder-3": cr.Domain.sequence(8, 256),
    "text-3": cr.Domain.sequence(8, 5),
    "image-3": cr.Domain.image(1, 4, 4, levels=5),
}
# What those of format 3 tell of their source.
ABOUT = {"text-3": {"bom": True}, "image-3": {"kind": "plain", "labels": list(range(12))}}
# Path → content, and whether it can be executed, which format 2 did not tell.
FILES = {
    "12:30": (b"", False),
    "bin/run": (b"#!/bin/sh\n", True),
    "to be.txt": (b"or not to be\n" * 9, False),
}


def model_of(name):
    return cr.create_model("uniform", MODELS[name]).eval()


def content_of(name):
    """What the file holds: items, or bytes."""
    if name.startswith("file"):
        return b"To be, or not to be, that is the question.\n" * 20
    if name.startswith("folder"):
        packed = b""
        for path, (content, executable) in FILES.items():
            size = len(content) if name == "folder-2" else 2 * len(content) + executable
            packed += varint(len(path)) + path.encode() + varint(size) + content
        return packed + b"\0"
    if name == "sound":
        return bytes(range(200))
    if name.startswith("text"):
        return bytes(i % 5 for i in range(200))
    x = torch.arange(12 * MODELS[name].size).reshape(12, *MODELS[name].event_shape) ** 2 % 7
    x = x % torch.tensor(MODELS[name].levels_per_variable).reshape(MODELS[name].event_shape)
    if name == "lengths":
        x[3, 2:] = x[7, :] = -1
    return x


def blob_of(name):
    content, target, about = content_of(name), io.BytesIO(), pack(ABOUT.get(name, {}))
    if isinstance(content, torch.Tensor):
        write_items(model_of(name), content, None, target, about=about)
    else:
        kind = name.split("-")[0]
        rate = 8000 if kind == "sound" else 0
        compress_stream(model_of(name), io.BytesIO(content), target, kind, rate=rate, about=about)
    return target.getvalue()


if __name__ == "__main__":
    path = HERE / f"{sys.argv[1]}.chr"
    with path.open("xb") as file:
        file.write(blob_of(sys.argv[1]))

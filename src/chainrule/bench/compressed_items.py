"""A whole test split of items, by a trained model and by the codecs that people use for such data."""

from __future__ import annotations

import io
import math
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chainrule.bench.codecs import absent, general
from chainrule.bench.special import BLACK_AND_WHITE, PICTURES, SOUNDS, measure_special, pictures
from chainrule.coding import compress, decompress
from chainrule.coding.container import Reader
from chainrule.data import Data
from chainrule.data.decoding import decode
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.training import Run

CODECS = ("xz -9e", "zstd -19", "brotli -q 11", "zpaq -m5")  # general ones, fast enough for whole test sets
SCORED = 64  # items at once


def measure_items(run: Run, data: Data, n: int) -> dict:
    """The test split of a run's data, of which the first n items are coded, decoded and compared.

    Where these are not all, "bytes" of "chainrule" are those of the split's -log2 p, longer by as much as the file of
    the first n is longer than theirs. The other codecs get all items; "alone" the first n, each as a file of its own.

    Raises:
        ChainruleError: if what is decoded is not what was coded.
    """
    model, domain = run.model, data.domain
    x = data.test if domain.columns else data.test.long()
    cond = data.cond("test") if model.conditional else None
    likelihood, sides = _likelihood_bytes(run, x, cond), _side_bytes(run)
    coded = _coded(run, x[:n], None if cond is None else cond[:n])
    ideal = likelihood[:n].sum().item() + sides * len(x[:n])
    whole = likelihood.sum().item() + sides * len(x)
    forms, special = _forms(x, domain), _special(x, data, n)
    others = general(*forms, names=CODECS)
    return {
        "items": len(x),
        "variables": int(domain.counted(x).sum()),
        "raw_bytes": len(forms[0]),
        "bytes": {"chainrule": round(whole * coded["bytes"] / ideal), **others["bytes"], **special["whole"]},
        "alone": {"variables": special["variables"], "bytes": special["alone"]},
        "codec_seconds": {**others["seconds"], **special["seconds"]},
        "likelihood_bytes": likelihood.sum().item(),
        "side_bytes": sides * len(x),
        "coded": {
            **coded,
            "raw_bytes": len(_forms(x[:n], domain)[0]),
            "likelihood_bytes": likelihood[:n].sum().item(),
        },
        "absent": {**absent(CODECS), **special["absent"]},
    }


def _coded(run: Run, x: Tensor, cond: Tensor | None) -> dict:
    """What the items take as a file, which is read again."""
    start = time.perf_counter()
    blob = compress(run.model, x, cond)
    middle = time.perf_counter()
    found = decompress(run.model, blob)
    end = time.perf_counter()
    if not torch.equal(found.nan_to_num(), x.to(found).nan_to_num()):
        raise ChainruleError("bench compression: the decoded items differ from the original")
    return {
        "items": len(x),
        "bytes": len(blob),
        "runner": Reader(io.BytesIO(blob), _bounds(run)).header.arithmetic.runner,
        "seconds": {"compress": middle - start, "decompress": end - middle},
    }


def _bounds(run: Run) -> int:
    return sum(column.kind in ("integer", "number") for column in run.model.domain.columns)


@torch.no_grad()
def _likelihood_bytes(run: Run, x: Tensor, cond: Tensor | None) -> Tensor:
    """(N,) float64."""
    parts = [slice(i, i + SCORED) for i in range(0, len(x), SCORED)]
    nats = [-run.model.log_prob(x[part], None if cond is None else cond[part]).double() for part in parts]
    return torch.cat(nats) / math.log(2) / 8


def _side_bytes(run: Run) -> float:
    """Bytes of an item for its classes and its length."""
    domain = run.model.domain
    nats = sum(map(math.log, run.model.condition.counts))
    nats += math.log(domain.steps + 1) if domain.lengths == "given" else 0
    return nats / math.log(2) / 8


def _forms(x: Tensor, domain: Domain) -> list[bytes]:
    """Files that people would hold the items in, the barest first.

    Levels item after item, of bits eight in a byte as well, of vectors and tables also column after column; CSV.
    """
    if domain.columns:
        frame = decode(x, domain.columns)
        return [frame.to_csv(index=False).encode(), frame.T.to_csv(index=False).encode()]
    values = x[domain.counted(x)].numpy().astype(np.uint8 if domain.max_levels <= 256 else "<u2")
    forms = [values]
    if domain.layout == "vector":
        forms.append(x.flatten(1).T.numpy().astype(values.dtype))
    found = [form.tobytes() for form in forms]
    if domain.layout == "vector":
        found.append(pd.DataFrame(x.flatten(1).numpy()).to_csv(index=False, header=False).encode())
    packed = [np.packbits(form).tobytes() for form in forms] if domain.max_levels == 2 else []
    return [*packed, *found]


def _special(x: Tensor, data: Data, n: int) -> dict:
    """By codecs of pictures, of sounds and of columns, as `measure_special`, and the "variables" of "alone".

    For sounds a file each or one of all, whichever is smaller.
    """
    domain = data.domain
    if domain.layout == "image":
        parts, sheet = pictures(x.numpy().astype(np.uint8), domain.max_levels)
        codecs = BLACK_AND_WHITE if domain.max_levels == 2 else PICTURES
        return {"variables": len(x[:n]) * domain.size, **measure_special(codecs, parts[:n], sheet)}
    if data.rate is not None and domain.max_levels == 1 << 16:
        streams = data.streams["test"]
        samples = (streams.values.numpy().astype(np.int64) - (1 << 15)).astype(np.int16)
        bounds = streams.bounds.tolist()
        sounds = [(samples[a:b], data.rate) for a, b in pairwise(bounds)]
        found = measure_special(SOUNDS, sounds, (samples, data.rate))
        smaller = {name: min(size, found["alone"][name]) for name, size in found["whole"].items()}
        return {**found, "variables": 0, "whole": smaller, "alone": {}}
    columns = (
        decode(x, domain.columns) if domain.columns else pd.DataFrame(x.flatten(1).numpy().astype(np.uint8))
    )
    return {"variables": 0, **measure_special({"Parquet, zstd -19": _parquet}, [], columns), "alone": {}}


def _parquet(frame: pd.DataFrame) -> int:
    target = io.BytesIO()
    frame.rename(columns=str).to_parquet(target, index=False, compression="zstd", compression_level=19)
    return len(target.getvalue())

"""What compression by trained models gives: bytes beside the log-likelihood and beside general and special codecs."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from chainrule.bench.codecs import absent, general
from chainrule.coding import compress, decompress
from chainrule.coding.container import Reader
from chainrule.coding.streams import (
    block_symbols,
    check_stream,
    compress_stream,
    cut,
    cuts_of,
    decompress_stream,
)
from chainrule.data import Data
from chainrule.data.writing import Bytes
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.run_files import CONFIG, WEIGHTS
from chainrule.training import Recipe, Run
from chainrule.where import CONTEXTS, locate

MOST = 1 << 17  # variables of a run's items


def measure(batch: int, repeats: int, runs: Sequence[str] = (), files: Sequence[Path] = ()) -> dict:
    """The first items of each run's test split; of a model of bytes the test text, and these files.

    Args:
        batch: items at most, and at most 2^17 variables.
        repeats: not used: sizes are the same each time.
        runs: folders; or "contexts", of no model.
        files: for models of bytes, and for contexts.

    Raises:
        ChainruleError: without a run, or if what is decoded is not what was coded.
    """
    if not runs:
        raise ChainruleError("bench compression: expected run folders of trained models, --run RUN, got none")
    rows: dict[str, dict] = {}
    for given in runs:
        run = Run.contexts() if given == CONTEXTS else Run.open(given)
        name = "/".join(Path(given).parts[-2:])
        if run.folder is None:
            for path in files:
                alone = {"model": run.name, "model_bytes": 0}
                rows[f"{name}: {path.name}"] = {**alone, **_bytes(run, path.read_bytes())}
            continue
        folder = locate(given)
        data = Recipe.read(folder / CONFIG).load_data(None)
        weights = {"model": run.model.name, "model_bytes": (folder / WEIGHTS).stat().st_size}
        if isinstance(run.writing, Bytes):
            text = data.streams["test"].values.numpy().astype(np.uint8).tobytes()
            contents = {f"{data.name}, test": text, **{path.name: path.read_bytes() for path in files}}
            for title, content in contents.items():
                rows[f"{name}: {title}"] = {**weights, **_bytes(run, content)}
        else:
            rows[name] = {**weights, **_items(run, data, min(batch, max(1, MOST // data.domain.size)))}
    return {"about": "Lossless compression by trained models", "sources": rows, "absent": absent()}


def _bytes(run: Run, content: bytes) -> dict:
    target = io.BytesIO()
    start = time.perf_counter()
    size = compress_stream(run.model, io.BytesIO(content), target)
    middle = time.perf_counter()
    back = io.BytesIO()
    header = decompress_stream(run.model, io.BytesIO(target.getvalue()), back)
    same = back.getvalue() == content
    end = time.perf_counter()
    if not same:
        raise ChainruleError("bench compression: the decoded bytes differ from the original")
    others = general(content)
    return {
        "variables": len(content),
        "raw_bytes": len(content),
        "bytes": {"chainrule": size, **others["bytes"]},
        "codec_seconds": others["seconds"],
        "likelihood_bytes": _nats(run.model, content) / math.log(2) / 8,
        "runner": header.arithmetic.runner,
        "seconds": {"compress": middle - start, "decompress": end - middle},
    }


@torch.no_grad()
def _nats(model: Model, content: bytes) -> float:
    """Nats of bytes by the model alone, in the rows that they are coded in."""
    stream = check_stream(model, "file")
    cuts, total = cuts_of(stream, "file"), 0.0
    for part in (
        torch.frombuffer(bytearray(content), dtype=torch.uint8).long().split(block_symbols(stream, "file"))
    ):
        own = cuts.of(len(part))
        rows = cut(own, part)
        for symbols, there in zip(rows.symbols.split(8), rows.there.split(8), strict=True):
            total -= own.log_prob(symbols, reduce=False).reshape(there.shape)[there].double().sum().item()
    return total


def _items(run: Run, data: Data, n: int) -> dict:
    model, domain = run.model, data.domain
    x, cond = data.test[:n].long(), data.cond("test")
    cond = None if cond is None or not model.conditional else cond[:n]
    start = time.perf_counter()
    blob = compress(model, x, cond)
    middle = time.perf_counter()
    same = torch.equal(decompress(model, blob), x)
    end = time.perf_counter()
    if not same:
        raise ChainruleError("bench compression: the decoded items differ from the original")
    with torch.no_grad():
        nats = -sum(
            model.log_prob(x[i : i + 64], None if cond is None else cond[i : i + 64]).sum().item()
            for i in range(0, len(x), 64)
        )
    raw = _raw(x, domain)
    others = general(raw)
    return {
        "items": len(x),
        "variables": int(domain.counted(x).sum()),
        "raw_bytes": len(raw),
        "bytes": {"chainrule": len(blob), **others["bytes"], **_special(x, data)},
        "codec_seconds": others["seconds"],
        "likelihood_bytes": nats / math.log(2) / 8,
        "side_bytes": _sides(model, x) / math.log(2) / 8,
        "runner": Reader(io.BytesIO(blob)).header.arithmetic.runner,
        "seconds": {"compress": middle - start, "decompress": end - middle},
    }


def _sides(model: Any, x: torch.Tensor) -> float:
    """Nats of classes and of lengths."""
    each = sum(map(math.log, model.condition.counts))
    return len(x) * (each + (math.log(model.domain.steps + 1) if model.domain.lengths == "given" else 0))


def _raw(x: torch.Tensor, domain: Domain) -> bytes:
    """As other codecs get them: eight bits in a byte, levels up to 256 a byte each, others two bytes."""
    values = x[domain.counted(x)].numpy()
    if domain.max_levels == 2:
        return np.packbits(values.astype(np.uint8)).tobytes()
    return values.astype(np.uint8 if domain.max_levels <= 256 else "<u2").tobytes()


def _special(x: torch.Tensor, data: Data) -> dict[str, int]:
    """PNG and WebP of all images below one another; FLAC of all 16-bit recordings one after another."""
    domain, found = data.domain, {}
    if domain.layout == "image":
        sheet = x.permute(0, 2, 3, 1).flatten(0, 1).squeeze(-1).numpy().astype(np.uint8)
        picture = (
            Image.fromarray(sheet * 255).convert("1") if domain.max_levels == 2 else Image.fromarray(sheet)
        )
        for name, options in (
            ("PNG", {"optimize": True}),
            ("WebP", {"lossless": True, "quality": 100, "method": 6}),
        ):
            if max(picture.size) < 1 << 14 or name == "PNG":
                target = io.BytesIO()
                picture.save(target, name, **options)
                found[name] = len(target.getvalue())
    elif data.rate is not None and domain.max_levels == 1 << 16:
        import soundfile

        target = io.BytesIO()
        samples = (x[domain.counted(x)].numpy() - (1 << 15)).astype(np.int16)
        soundfile.write(target, samples, data.rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
        found["FLAC"] = len(target.getvalue())
    return found


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a source: bits a variable, and where they were measured the kB/s of each compressor."""
    names = list(dict.fromkeys(name for row in record["sources"].values() for name in row["bytes"]))
    rows = []
    for source, row in record["sources"].items():
        ideal, seconds = row["likelihood_bytes"], row.get("codec_seconds", {})
        rows.append(
            [
                source,
                f"{row['variables']:,}",
                "–" if ideal is None else f"{8 * ideal / row['variables']:.4f}",
                *(_cell(row, name, seconds.get(name)) for name in names),
                f"{8 * (row['bytes']['chainrule'] + row['model_bytes']) / row['variables']:.3f}",
                *(f"{row['raw_bytes'] / row['seconds'][way]:,.0f}" for way in ("compress", "decompress")),
                f"{row['model_bytes']:,}",
            ]
        )
    columns = ["", "variables", "-log2 p", *names, "with the model", "bytes/s", "back", "model, bytes"]
    return columns, rows


def _cell(row: dict, name: str, seconds: float | None) -> str:
    if name not in row["bytes"]:
        return "–"
    bits = f"{8 * row['bytes'][name] / row['variables']:.4f}"
    return bits if seconds is None else f"{bits} ({row['raw_bytes'] / seconds / 1e3:,.0f} kB/s)"

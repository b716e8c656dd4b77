"""What compression by trained models gives: bytes beside the log-likelihood and beside general and special codecs."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from chainrule.bench.codecs import absent, general
from chainrule.bench.compressed_items import measure_items
from chainrule.coding.alphabet import check_codable
from chainrule.coding.streams import (
    block_symbols,
    check_stream,
    compress_stream,
    cut,
    cuts_of,
    decompress_stream,
)
from chainrule.data.writing import Bytes
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.run_files import CONFIG, WEIGHTS
from chainrule.training import Recipe, Run
from chainrule.where import CONTEXTS, locate, packed_file
from chainrule.zoo import PREFIX


def measure(batch: int, repeats: int, runs: Sequence[str] = (), files: Sequence[Path] = ()) -> dict:
    """The test split of each run's data; of a model of bytes the test text, and these files.

    Args:
        batch: items of a split that are coded at most; of the others the likelihood counts.
        repeats: not used: sizes are the same each time.
        runs: folders; or "contexts", of no model.
        files: for models of bytes, and for contexts.

    Raises:
        ChainruleError: without a run, of a model that codes nothing, or if what is decoded is not what was coded.
    """
    if not runs:
        raise ChainruleError("bench compression: expected run folders of trained models, --run RUN, got none")
    rows: dict[str, dict] = {}
    opened = {given: Run.contexts() if given == CONTEXTS else Run.open(given) for given in runs}
    for run in opened.values():
        check_codable(run.model)  # raises now, not after the others have been measured
    for given, run in opened.items():
        name = "/".join(Path(given).parts[-2:])
        if run.folder is None:
            for path in files:
                alone = {"model": run.name, "model_bytes": 0}
                rows[f"{name}: {path.name}"] = {**alone, **_bytes(run, path.read_bytes())}
            continue
        folder = locate(given)
        data = Recipe.read(folder / CONFIG).load_data(None)
        weights = {"model": run.model.name, "model_bytes": _size(given, folder)}
        if isinstance(run.writing, Bytes):
            text = data.streams["test"].values.numpy().astype(np.uint8).tobytes()
            contents = {f"{data.name}, test": text, **{path.name: path.read_bytes() for path in files}}
            for title, content in contents.items():
                rows[f"{name}: {title}"] = {**weights, **_bytes(run, content)}
        else:
            rows[name] = {**weights, **measure_items(run, data, batch)}
    lacking = {} if all("absent" in row for row in rows.values()) else absent()
    for row in rows.values():
        lacking |= row.pop("absent", {})
    return {"about": "Lossless compression by trained models", "sources": rows, "absent": lacking}


def _size(given: str | Path, folder: Path) -> int:
    """Bytes of the file that a decoder needs: the packed run, or the weights of a folder."""
    packed = str(given).startswith(PREFIX) or Path(given).is_file()
    return (packed_file(str(given)) if packed else folder / WEIGHTS).stat().st_size


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


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a source: bits a variable, and where they were measured the kB/s of each compressor."""
    sources = record["sources"].values()
    names = list(dict.fromkeys(name for row in sources for name in row["bytes"]))
    alone = list(dict.fromkeys(name for row in sources for name in row.get("alone", {}).get("bytes", {})))
    rows = []
    for source, row in record["sources"].items():
        ideal, seconds = row["likelihood_bytes"], row.get("codec_seconds", {})
        ours, best = (
            row["bytes"]["chainrule"],
            min(row["bytes"][name] for name in row["bytes"] if name != "chainrule"),
        )
        coded = row.get("coded", row)
        rows.append(
            [
                source,
                f"{row['variables']:,}",
                f"{8 * ideal / row['variables']:.4f}",
                *(_cell(row, name, seconds.get(name)) for name in names),
                *(_cell(row.get("alone", {}), name, None) for name in alone),
                f"{ours / best - 1:+.1%}",
                f"{8 * (ours + row['model_bytes']) / row['variables']:.3f}",
                *(f"{coded['raw_bytes'] / coded['seconds'][way]:,.0f}" for way in ("compress", "decompress")),
                f"{row['model_bytes']:,}",
            ]
        )
    apart = [f"{name}, a file each" for name in alone]
    ends = ["beside the best", "with the model", "bytes/s", "back", "model, bytes"]
    return ["", "variables", "-log2 p", *names, *apart, *ends], rows


def _cell(row: dict, name: str, seconds: float | None) -> str:
    if name not in row.get("bytes", {}):
        return "–"
    bits = f"{8 * row['bytes'][name] / row['variables']:.4f}"
    return bits if seconds is None else f"{bits} ({row['raw_bytes'] / seconds / 1e3:,.0f} kB/s)"


def notes(record: dict) -> list[str]:
    """How much of each set of items was coded."""
    parts = {source: row["coded"] for source, row in record["sources"].items() if "coded" in row}
    sizes = {source: record["sources"][source]["items"] for source in parts}
    said = [f"{part['items']:,} of {sizes[source]:,} of {source}" for source, part in parts.items()]
    return [f"Coded, decoded and compared: {'; '.join(said)}."] if said else []

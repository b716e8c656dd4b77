"""`map`: a verb over all rows of a large table, by an engine that may lose and repeat parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError, nearest
from chainrule.files import write_text
from chainrule.run_files import WEIGHTS, check_run_folder
from chainrule.scale.engines import ENGINES
from chainrule.scale.parts import ROWS, drawn_parts, parts_of
from chainrule.scale.work import VERBS

ABOUT = "_chainrule.json"  # in the folder of the results: what they are of


def map(
    run: str | Path,
    verb: str,
    source: str | Path | None,
    out: str | Path,
    *,
    engine: str = "local",
    workers: int = 1,
    n: int | None = None,
    rows: int = ROWS,
    progress: Callable[[int, int], None] = lambda done, of: None,
    **options: Any,
) -> int:
    """Score or complete the rows of Parquet files, or draw rows, into Parquet files of one folder, one for each part.

    Parts are row ranges of the files. Each is computed alone, with its own seed, so that the result is the same bit for
    bit whatever the engine and the number of workers; a part that is there is not done again.

    Args:
        run: folder of a run of a table, which all workers see.
        verb: "score": ids and -log p in nats; "complete": the rows with their gaps drawn; "sample": drawn rows.
        source: a Parquet file or a folder of them, which all workers see; None for "sample".
        out: folder of the results; one that holds some of the same work is gone on with.
        engine: "local", processes on this machine; "ray", Ray Data, on the cluster that `ray.init` finds; "spark", the
            session that there is, or a local one.
        workers: processes, actors or tasks at once.
        n: rows to draw.
        rows: of a part at most.
        progress: called with how many of how many rows are done.
        **options: seed, particles, device.

    Returns:
        The number of rows.

    Raises:
        ChainruleError: on an unknown verb or engine, one that is not installed, or if `out` holds other work.
        DataError: if the source cannot be read or does not fit the run.
    """
    for what, name, known in (("verb", verb, VERBS), ("engine", engine, ENGINES)):
        if name not in known:
            raise ChainruleError(f"{what}: unknown {name!r}; {nearest(name, known)}")
    if (verb == "sample") != (source is None) or (verb == "sample") != (n is not None):
        raise ChainruleError("expected n and no source for sample, a source and no n for the other verbs")
    folder, place = Path(run).resolve(), Path(out).resolve()
    check_run_folder(folder)
    parts = drawn_parts(n, rows) if source is None else parts_of(source, rows)  # type: ignore[arg-type]
    _claim(place, folder, verb, options, [part.to_dict() for part in parts])
    done, total = 0, sum(part.rows for part in parts)
    progress(0, total)
    for result in ENGINES[engine](str(folder), verb, options, parts, str(place), workers):
        done += result["rows"]
        progress(done, total)
    if missing := [part.name for part in parts if not (place / part.name).exists()]:
        raise ChainruleError(
            f"{out}: {len(missing)} of {len(parts)} parts are not there, such as {missing[0]}; run again"
        )
    return total


def _claim(out: Path, run: Path, verb: str, options: dict[str, Any], parts: list[dict]) -> None:
    """See that a folder is empty, or holds some of the same work."""
    weights = sha256((run / WEIGHTS).read_bytes()).hexdigest()
    about = {"run": str(run), "weights": weights, "verb": verb, "options": options, "parts": len(parts)}
    about["rows"] = sha256(json.dumps(parts).encode()).hexdigest()
    out.mkdir(parents=True, exist_ok=True)
    if (out / ABOUT).exists():
        if json.loads((out / ABOUT).read_text()) != about:
            raise ChainruleError(f"{out}: holds results of other work; choose another folder, or remove it")
        return
    if any(out.iterdir()):
        raise ChainruleError(f"{out}: expected an empty folder, or one of this work")
    write_text(out / ABOUT, json.dumps(about, indent=1) + "\n")

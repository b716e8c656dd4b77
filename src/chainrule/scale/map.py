"""`map`: a verb over all rows of a large table, by an engine that may lose and repeat parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from chainrule.data.notes import Notes
from chainrule.errors import ChainruleError, DataError, nearest
from chainrule.files import sweep, write_text
from chainrule.run_files import WEIGHTS, check_run_folder
from chainrule.scale.engines import ENGINES
from chainrule.scale.parts import ROWS, Part, drawn_parts, packed_parts, parts_of
from chainrule.scale.remarks import remarks_of
from chainrule.scale.task import Task, unfinished
from chainrule.where import locate

ABOUT = "_chainrule.json"  # in the folder of the results: what they are of
VERBS = ("score", "complete", "sample", "compress", "decompress")


def map(
    run: str | Path,
    verb: str,
    source: str | Path | None,
    out: str | Path,
    *,
    engine: str = "local",
    workers: int = 1,
    gpus: float = 0,
    n: int | None = None,
    rows: int = ROWS,
    progress: Callable[[int, int], None] = lambda done, of: None,
    notes: Notes | None = None,
    **options: Any,
) -> int:
    """Score, complete or compress the rows of Parquet files, or draw rows, into one folder, a file for each part.

    Parts are row ranges of the files. Each is computed alone, with its own seed, so that the result is the same bit for
    bit whatever the engine and the number of workers; a part that is there is not done again.

    Args:
        run: of a table; its folder is one that all workers see.
        verb: "score": ids and -log p in nats; "complete": the rows with their gaps drawn; "sample": drawn rows;
            "compress": a compressed file of each part; "decompress": the parts again.
        source: a Parquet file or a folder of them, which all workers see, where folders such as year=2020 are columns;
            None for "sample"; for "decompress" a folder that "compress" has made.
        out: folder of the results; one that holds some of the same work is gone on with.
        engine: "local", processes on this machine; "ray", Ray Data, on the cluster that `ray.init` finds; "spark", the
            session that there is, or a local one.
        workers: processes, actors or tasks at once.
        gpus: of each actor of Ray; where there are some, the model computes on them.
        n: rows to draw.
        rows: of a part at most.
        progress: called with how many of how many rows are done.
        notes: takes what was found in the rows, such as categories never seen in training.
        **options: seed, particles, device; of compression runner, portable and verify, of decompression anyway.

    Returns:
        The number of rows.

    Raises:
        ChainruleError: on an unknown verb or engine, one that is not installed, or if `out` holds other work.
        DataError: if the source cannot be read or does not fit the run.
    """
    for what, name, known in (("verb", verb, VERBS), ("engine", engine, ENGINES)):
        if name not in known:
            raise ChainruleError(f"{what}: unknown {name!r}; {nearest(name, known)}")
    if gpus and engine != "ray":
        raise ChainruleError(f"gpus: expected the engine ray, which hands them out, got {engine}")
    folder, place = locate(run).resolve(), Path(out).resolve()
    check_run_folder(folder)
    parts = _parts(verb, source, place, n, rows)
    _claim(place, folder, verb, options, parts)
    if gpus:
        options = {"device": "cuda", **options}
    task = Task(str(folder), verb, options, str(place), gpus)
    _run(task, parts, engine, workers, progress)
    if missing := unfinished(task, parts):
        raise ChainruleError(
            f"{out}: {len(missing)} of {len(parts)} parts are not there, such as {missing[0].name(verb)}; run again"
        )
    if notes is not None and verb in ("score", "complete"):
        notes.add(remarks_of(place / part.name(verb) for part in parts))
    return sum(part.rows for part in parts)


def _run(
    task: Task, parts: list[Part], engine: str, workers: int, progress: Callable[[int, int], None]
) -> None:
    """Have done what is not there, and say how far it is."""
    left, total = unfinished(task, parts), sum(part.rows for part in parts)
    done = total - sum(part.rows for part in left)
    progress(done, total)
    if not left:
        return
    try:
        with closing(ENGINES[engine](task, left, workers)) as results:  # type: ignore[type-var]
            for result in results:
                if result["error"]:
                    raise DataError(result["error"])
                done += result["rows"]
                progress(done, total)
    finally:  # what killed workers have left
        for folder in {task.place(part).parent for part in parts}:
            sweep(folder)


def _parts(verb: str, source: str | Path | None, out: Path, n: int | None, rows: int) -> list[Part]:
    if (verb == "sample") != (source is None) or (verb == "sample") != (n is not None):
        raise ChainruleError("expected n and no source for sample, a source and no n for the other verbs")
    if source is None:
        return drawn_parts(n, rows)  # type: ignore[arg-type]
    place = Path(source).expanduser().resolve()
    if out == place or place in out.parents:
        raise ChainruleError(f"{out}: expected a folder outside of {source}")
    if verb != "decompress":
        return parts_of(place, rows)
    about = json.loads((place / ABOUT).read_text()) if (place / ABOUT).is_file() else {}
    if about.get("verb") != "compress":
        raise DataError(f"{source}: expected a folder that `chainrule compress --engine` has made")
    return packed_parts(place, about["files"])


def _claim(out: Path, run: Path, verb: str, options: dict[str, Any], parts: list[Part]) -> None:
    """See that a folder is empty, or holds some of the same work."""
    weights = sha256((run / WEIGHTS).read_bytes()).hexdigest()
    rows = sha256(json.dumps([part.to_dict() for part in parts]).encode()).hexdigest()
    about = {"run": str(run), "weights": weights, "verb": verb, "options": options, "rows": rows}
    about["files"] = {part.name(verb): part.rows for part in parts}
    out.mkdir(parents=True, exist_ok=True)
    if (out / ABOUT).exists():
        if json.loads((out / ABOUT).read_text()) != about:
            raise ChainruleError(f"{out}: holds results of other work; choose another folder, or remove it")
        return
    if any(out.iterdir()):
        raise ChainruleError(f"{out}: expected an empty folder, or one of this work")
    write_text(out / ABOUT, json.dumps(about, indent=1) + "\n")

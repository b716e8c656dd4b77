"""Runs what is to be measured, entry by entry, each in a process that is ended at its limit, with a record of each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.bench.gpu.setting import Setting
from chainrule.files import write_text
from chainrule.records import circumstances, to_json

GRACE = 20.0  # seconds that an entry has to write its checkpoint after it is interrupted
LEAST = 5.0  # seconds in which an entry can begin
OVER = ("done", "failed", "skipped", "ended")  # of records that are not made again


@dataclass(frozen=True)
class Part:
    """Entries of one kind.

    Attributes:
        share: of all minutes; what is not used is left to the parts after it.
        limit: seconds of an entry.
        together: entries that run at once.
        resumes: whether an entry that is ended goes on the next time.
        names: whether all is tiny → the entries, in order.
        measure: an entry → records, each in place of the one before.
    """

    share: float
    limit: float
    together: int
    resumes: bool
    names: Callable[[bool], list[str]]
    measure: Callable[[str, Setting], Iterator[dict[str, Any]]]


def record_of(out: Path, part: str, name: str) -> Path:
    """The file of an entry."""
    return out / part / f"{name.replace('/', '--')}.json"


def run_all(
    parts: Mapping[str, Part],
    out: Path,
    command: Sequence[str],
    *,
    minutes: float,
    shrink: bool = False,
    retry: bool = False,
    tell: Callable[[str], object] = print,
) -> None:
    """Measure what has no record yet, in order, while there is time.

    Args:
        parts: by name, in order.
        out: folder of the records, PART/ENTRY.json.
        command: runs one entry in a process, given `--entry PART ENTRY SECONDS`.
        minutes: for all.
        shrink: whether all is tiny.
        retry: also what failed, was ended at its limit, or lacked data.
        tell: called with what is done.
    """
    begun, share = time.monotonic(), 0.0
    for part, kind in parts.items():
        share += kind.share
        until = begun + 60 * minutes * share
        left = [name for name in kind.names(shrink) if _open(record_of(out, part, name), retry)]
        while left and until - time.monotonic() > LEAST:
            now, left = left[: kind.together], left[kind.together :]
            seconds = min(kind.limit, until - time.monotonic())
            _run(kind, part, now, out, [*command, "--entry", part], seconds, tell)
        for name in left:
            tell(f"{part} {name}: no time left")


def _open(path: Path, retry: bool) -> bool:
    """Whether an entry is still to be measured."""
    return _read(path).get("status") not in (("done",) if retry else OVER)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _run(
    kind: Part,
    part: str,
    names: Sequence[str],
    out: Path,
    command: Sequence[str],
    seconds: float,
    tell: Callable[[str], object],
) -> None:
    """Some entries at once, and what became of each."""
    begun = time.monotonic()
    processes = {}
    for name in names:
        said = record_of(out, part, name).with_suffix(".log")
        said.parent.mkdir(parents=True, exist_ok=True)
        with said.open("ab") as log:
            processes[name] = subprocess.Popen(
                [*command, name, f"{seconds:.0f}"],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    try:
        for name, process in processes.items():
            ended = _wait(process, begun + seconds)
            path = record_of(out, part, name)
            record = _read(path)
            if ended or process.returncode:
                reason = f"{seconds:.0f} s" if ended else _last_line(path.with_suffix(".log"))
                how = ("unfinished" if kind.resumes else "ended") if ended else "failed"
                record |= {"part": part, "name": name, "status": how, "reason": reason}
                write_text(path, to_json(record))
            tell(f"{part} {name}: {record.get('status')} after {time.monotonic() - begun:.0f} s")
    finally:
        for process in processes.values():  # where this process is interrupted itself
            _wait(process, time.monotonic())


def _wait(process: subprocess.Popen, until: float) -> bool:
    """Whether a process had to be ended: first as by Ctrl-C, at which training keeps its place."""
    for grace, how in ((until - time.monotonic(), signal.SIGINT), (GRACE, signal.SIGKILL)):
        try:
            process.wait(max(grace, 0.0))
            return how is signal.SIGKILL
        except subprocess.TimeoutExpired:
            _stop(process, how)
    process.wait()
    return True


def _stop(process: subprocess.Popen, how: signal.Signals) -> None:
    """With all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, how)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else "no reason given"


def run_entry(kind: Part, part: str, name: str, out: Path, setting: Setting) -> None:
    """Measure one entry in this process; its record is written after each step."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    path, begun = record_of(out, part, name), time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"part": part, "name": name, "shrunk": setting.shrink, **circumstances(), **setting.about()}
    found: dict[str, Any] = {}
    for found in kind.measure(name, setting):
        write_text(path, to_json({**head, "status": "begun", "seconds": time.monotonic() - begun, **found}))
    write_text(path, to_json({**head, "status": "done", "seconds": time.monotonic() - begun, **found}))

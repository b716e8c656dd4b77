"""Spark: `mapInArrow`, a task for each part."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from typing import Any

from chainrule.errors import ChainruleError, optional_import
from chainrule.files import write_text
from chainrule.scale.aside import stderr_aside
from chainrule.scale.parts import Part
from chainrule.scale.task import Task, brief

PAUSE = 0.5  # seconds between two looks at what is done
LOCAL: dict[str, Any] = {  # a session of our own, on this machine
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "OFF",  # what goes wrong is said here, in one line
}
TRIES = 4  # of a task whose process is killed; Spark's own for clusters, 1 for local sessions
ERROR = ".error"  # the ending of a file that says why a part has none


def on_spark(task: Task, parts: Sequence[Part], workers: int) -> Iterator[dict[str, Any]]:
    """Spark repeats tasks whose process is killed.

    What is done is seen by the files: Spark itself hands back nothing before the end.
    """
    optional_import("pyspark.sql", "spark")
    with _session(workers) as session, _asked(session, task, parts) as answer:
        left = list(parts)
        while left:
            with suppress(Empty):
                answer.put(answer.get(timeout=PAUSE))
            ended = not answer.empty()
            results = _results(task, left)
            yield from results
            done = {result["number"] for result in results}
            left = [part for part in left if part.number not in done]
            if left and ended:
                raise ChainruleError(f"engine spark: {answer.get()}; run again to go on")


def _results(task: Task, parts: list[Part]) -> list[dict[str, Any]]:
    """What is done of some parts, or cannot be, by one look into each folder."""
    places = {part.number: task.place(part) for part in parts}
    folders = {place.parent for place in places.values()}
    there = {path for folder in folders if folder.exists() for path in folder.iterdir()}
    found = []
    for part in parts:
        place, why = places[part.number], places[part.number].with_suffix(ERROR)
        if why in there:
            error = why.read_text(encoding="utf-8")
            why.unlink(missing_ok=True)
        elif place in there:
            error = ""
        else:
            continue
        found.append({"number": part.number, "rows": part.rows, "process": 0, "error": error})
    return found


@contextmanager
def _asked(session: Any, task: Task, parts: Sequence[Part]) -> Iterator[Queue]:
    """Have it done in a thread, so that Ctrl-C is heard; yields a queue for how it ended."""
    answer: Queue = Queue()
    tag = f"chainrule-{secrets.token_hex(8)}"

    def ask() -> None:
        try:
            session.addTag(tag)
            rows = session.range(0, len(parts), 1, len(parts))
            rows.mapInArrow(_Worker(task, list(parts)), "number long").collect()
            answer.put("parts are missing")
        except Exception as error:
            answer.put(brief(str(error)) or type(error).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answer
    finally:
        if thread.is_alive():
            with suppress(Exception):  # it may have just ended
                session.interruptTag(tag)
        thread.join()


@contextmanager
def _session(workers: int) -> Iterator[Any]:
    """The session that there is, or a local one, which ends afterwards."""
    from pyspark.sql import SparkSession

    if (there := SparkSession.getActiveSession()) is not None:
        yield there
        return
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(f"local[{workers},{TRIES}]").config(map=LOCAL)
    main = threading.current_thread() is threading.main_thread()
    heard = signal.getsignal(signal.SIGINT)
    with stderr_aside() as said:
        try:
            session = builder.getOrCreate()
        except Exception as error:
            said.seek(0)
            reason = brief(said.read().decode(errors="replace")) or brief(str(error))
            raise ChainruleError(f"engine spark: it needs Java 17 or newer: {reason}") from error
    if main:
        signal.signal(signal.SIGINT, heard)  # Spark puts its own in place
    try:
        yield session
    finally:
        session.stop()


class _Worker:
    """What each process does with the numbers of parts."""

    def __init__(self, task: Task, parts: list[Part]) -> None:
        self._task, self._parts = task, parts

    def __call__(self, batches: Any) -> Any:
        """Batches of numbers → the same, once their parts are done, or it is written why not."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                part = self._parts[number]
                if error := self._task(part)["error"]:
                    write_text(self._task.place(part).with_suffix(ERROR), error)
            yield batch

"""Processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.scale.parts import Part
from chainrule.scale.task import Task

TRIES = 3  # times that processes may die


def on_processes(task: Task, parts: Sequence[Part], workers: int) -> Iterator[dict[str, Any]]:
    """In this process, or in several; what a killed one had is done again."""
    if workers == 1:
        yield from map(task, parts)
        return
    left = {part.number: part for part in parts}
    for _ in range(TRIES):
        with suppress(BrokenProcessPool):
            for result in _once(task, list(left.values()), workers):
                del left[result["number"]]
                yield result
        if not left:
            return
    raise ChainruleError(f"workers died {TRIES} times, {len(left)} parts are left; run again")


def _once(task: Task, parts: list[Part], workers: int) -> Iterator[dict[str, Any]]:
    """Until all parts are done, or a process has died."""
    context = multiprocessing.get_context("spawn")
    life, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(workers, len(parts)), context, initializer=_start, initargs=(life,))
    try:
        for future in as_completed([pool.submit(_do, task, part) for part in parts]):
            yield future.result()
        pool.shutdown()
    finally:  # at Ctrl-C, or once nobody wants more, what runs is stopped
        ours.close()
        pool.shutdown(cancel_futures=True)
        life.close()


def _start(life: Connection) -> None:
    """Once, in each process. Ctrl-C, which a terminal sends to all of them, is the first one's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_watch, args=(life,), daemon=True).start()


def _watch(life: Connection) -> None:
    """End with who started this process, however that ended: nothing is sent, the pipe just closes."""
    with suppress(EOFError, OSError):
        life.recv_bytes()
    os.kill(os.getpid(), signal.SIGTERM)


_busy = threading.Event()  # with a part, whose half file is removed by what is raised


def _stop(number: int, frame: object) -> None:
    if _busy.is_set():
        raise SystemExit(128 + number)
    os._exit(128 + number)


def _do(task: Task, part: Part) -> dict[str, Any]:
    _busy.set()
    try:
        return task(part)
    except SystemExit as end:  # a pool would go on
        os._exit(int(end.code or 0))
    finally:
        _busy.clear()

"""Blocks in several threads, in their order, and never many at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from chainrule.coding.arithmetic import one_thread

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[Result]:
    """What a function gives for each task; at most `workers` + 1 tasks are held at a time.

    Torch is on one thread in each worker, and in the caller's thread until the last result is taken.
    """
    with one_thread():
        if workers == 1:
            yield from map(function, tasks)
            return
        with ThreadPoolExecutor(workers, initializer=_alone) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for task in tasks:
                    waiting.append(pool.submit(function, task))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


def _alone() -> None:
    import torch

    torch.set_num_threads(1)

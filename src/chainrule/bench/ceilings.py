"""What this machine can do at most: operations a second, and bytes a second from arrays of a size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial

import numpy as np
import torch

ROUNDS, SECONDS = 5, 0.02  # the best of these rounds, each at least this long
SIDES = (128, 256, 512)  # of the square matrices that torch multiplies
ROWS, INNER = 64, 256  # of the native product: its weight and rows stay in the caches nearest to a core
Way = Callable[[int], None]  # does its work this number of times


@cache
def measure_peak(threads: int, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Operations a second, of products whose operands lie in cache, by the best of torch and the native product.

    Args:
        threads: that share the work.
        dtype: of the operands; the native product is of float32.
    """
    squares = [torch.rand(side, side).to(dtype) for side in SIDES]
    with torch_threads(threads):
        rates = [_rate(_repeated(partial(torch.mm, a, a)), 2 * len(a) ** 3) for a in squares]
    found = {"torch": max(rates)}
    if dtype == torch.float32:
        with suppress(ImportError), _native(threads, ROWS, INNER * INNER * 4) as work:
            found["native"] = _rate(work, 2 * threads * ROWS * INNER * INNER)
    return found


@cache
def measure_bandwidth(size: int, threads: int) -> dict[str, float]:
    """Bytes a second, of reading `size` bytes of float32 again and again: arrays that fit a cache stay in it.

    Args:
        size: bytes in all.
        threads: each reads its share.
    """
    columns = max(size // (4 * INNER), threads)
    matrix, vector = torch.rand(columns, INNER), torch.rand(INNER)
    given = columns * INNER * 4
    with torch_threads(threads):
        found = {
            "torch sum": _rate(_repeated(matrix.sum), given),
            "torch mv": _rate(_repeated(lambda: matrix.mv(vector)), given),
        }
    with suppress(ImportError), _native(threads, 1, given // threads) as work:
        found["native"] = _rate(work, given)
    return found


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Set the number of torch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _native(threads: int, rows: int, size: int) -> Iterator[Way]:
    """Products (rows, K) × (K, N) of the native machine, each thread with a weight of `size` bytes of its own.

    Raises:
        ImportError: where there is no numba.
    """
    from chainrule.engine.native.machine import run

    outer = max(size // (4 * INNER), 1)
    products = [_product(rows, outer) for _ in range(threads)]
    clock = np.zeros(threads * 8, dtype=np.int64)  # a cache line each

    def share(i: int, times: int) -> None:
        run(products[i][0], np.zeros(times, dtype=np.int64), clock[8 * i :].ctypes.data, 0, times)

    with ThreadPoolExecutor(threads) as pool:

        def work(times: int) -> None:
            for done in [pool.submit(share, i, times) for i in range(threads)]:
                done.result()

        yield work


def _product(rows: int, outer: int) -> tuple[np.ndarray, list[object]]:
    """The code of one product, and what it reads and writes, to be kept."""
    from chainrule.engine.native.assembler import Builder
    from chainrule.engine.native.constants import Weights
    from chainrule.engine.native.lower.matmul import product
    from chainrule.engine.native.shard import allocate
    from chainrule.engine.native.trace import Recording
    from chainrule.engine.native.views import View

    x, y = torch.rand(rows, INNER), torch.zeros(rows, outer)
    views = [View(i, 0, tuple(t.shape), t.stride(), t.dtype) for i, t in enumerate((x, y))]
    builder = Builder(Recording(inputs=views), Weights())
    product(builder, views[1], views[0], builder.constant(torch.rand(INNER, outer)))
    program = builder.finish()
    memory, scratch = allocate(program.size)
    return program.bind([x.data_ptr(), y.data_ptr()], scratch), [x, y, program, memory]


def _repeated(call: Callable[[], object]) -> Way:
    def work(times: int) -> None:
        for _ in range(times):
            call()

    return work


def _rate(work: Way, amount: float) -> float:
    """`amount` a second, by the best round."""
    times, seconds = 1, 0.0
    work(1)
    while True:
        start = time.perf_counter()
        work(times)
        seconds = time.perf_counter() - start
        if seconds >= SECONDS:
            break
        times *= 2
    best = seconds
    for _ in range(ROUNDS - 1):
        start = time.perf_counter()
        work(times)
        best = min(best, time.perf_counter() - start)
    return amount * times / best

"""Start the processes of one training on this machine, and end them together."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.multiprocessing import get_context
from torch.multiprocessing.spawn import ProcessException, ProcessExitedException, start_processes

from chainrule.errors import ChainruleError, RunError
from chainrule.training.ranks import Ranks

GRACE = 10.0  # seconds that a process has to end by itself after another one has failed
Body = Callable[..., BaseException | None]


def run_in_processes(ranks: Ranks, body: Body, *args: Any) -> None:
    """Call `body(ranks, *args)` in each process; it returns what stopped it, if it was the user.

    Raises:
        ChainruleError: that one of them raised.
        RunError: if one was killed, or failed otherwise; the others have been ended.
        KeyboardInterrupt, SystemExit: as one of them was stopped, or this process was.
    """
    told = get_context("spawn").SimpleQueue()
    share = max(torch.get_num_threads() // ranks.devices, 1)
    context: Any = start_processes(
        _rank, (ranks, body, args, _free_port(), share, told), ranks.devices, join=False, start_method="spawn"
    )
    stopped: BaseException | None = None
    with _terminable():
        try:
            while not context.join(grace_period=GRACE):
                pass
        except (KeyboardInterrupt, SystemExit) as error:
            stopped = error
            _interrupt(context.processes)
        except ProcessException as error:
            stopped = _failure(error)
    while not told.empty():
        stopped = told.get()
    if stopped is not None:
        raise stopped


def _rank(rank: int, ranks: Ranks, body: Body, args: tuple, port: int, threads: int, told: Any) -> None:
    """One of the processes."""
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), LOCAL_RANK=str(rank), NODE_RANK="0",
        WORLD_SIZE=str(ranks.world),
    )  # fmt: skip
    torch.set_num_threads(threads)
    try:
        stopped = body(ranks.as_rank(rank), *args)
    except ChainruleError as error:
        told.put(error)
        raise SystemExit(1) from None
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    if stopped is not None and rank == 0:
        told.put(stopped)


def _failure(error: Any) -> RunError:
    index = error.error_index
    if isinstance(error, ProcessExitedException):
        why = f"was killed by {error.signal_name}" if error.signal_name else f"ended with {error.exit_code}"
    else:
        why = f"failed: {str(error).strip().splitlines()[-1]}"
    return RunError(f"process {index} of the training {why}, and the others were stopped; --resume goes on")


def _interrupt(processes: Any) -> None:
    """Ctrl-C for all, and the time to write what they have."""
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(GRACE)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends this process, and so the others, in order; where it already has a meaning, that stays."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]

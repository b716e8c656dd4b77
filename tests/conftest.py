"""Shared by all tests: one thread a worker, so that two workers fill two cores."""

import os
from contextlib import suppress

import pytest
import torch

if not torch.cuda.is_available():  # Triton reads it when it is loaded: its kernels then run on a CPU
    os.environ.setdefault("TRITON_INTERPRET", "1")

from chainrule.engine import auto

torch.set_num_threads(1)
# torch counts the devices when a process first computes a gradient: `test_pretended` runs these in one of their own.
collect_ignore = [] if os.environ.get("CHAINRULE_PRETENDED") else ["pretended"]
# Native steps are the same up to rounding. Tests compare draws, so short ones are eager unless a test says otherwise.
auto.RECORDING = 2.0


def pytest_sessionstart() -> None:
    """Compile the native loop, so that no test waits for it, or begins to compile it in the background."""
    with suppress(ImportError):  # there is no numba
        from chainrule.engine.native import machine

        machine.keep()


@pytest.fixture(autouse=True)
def one_thread():
    """A test that leaves more threads behind slows down all that follow."""
    yield
    assert torch.get_num_threads() == 1

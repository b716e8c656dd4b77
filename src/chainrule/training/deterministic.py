"""Training whose numbers are the same each time on the same device, to the last bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from chainrule.errors import ChainruleError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS reads it as it starts; without it its sums may differ


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """A block in which torch uses deterministic kernels only, if that is wanted; all restored afterwards.

    Raises:
        ChainruleError: if an operation has no such kernel on its device.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(WORKSPACE)
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise ChainruleError(f"deterministic: {str(error).split('. ')[0]}; train without it") from error
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            del os.environ[WORKSPACE]

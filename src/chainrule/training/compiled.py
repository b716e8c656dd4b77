"""The loss as `torch.compile` makes it, kept from one process to the next."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from chainrule.files import user_cache

CACHE = "TORCHINDUCTOR_CACHE_DIR"  # torch's own
TEMPORARY = (
    Path(tempfile.gettempdir()) / "torchinductor_"
)  # how torch's default begins, which it sets there itself


def compiled(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The compiled function. Its code lies in the user's cache, unless the environment names another folder.

    torch would keep it among temporary files, which a restart removes.
    """
    if os.environ.get(CACHE, str(TEMPORARY)).startswith(str(TEMPORARY)):
        os.environ[CACHE] = str(user_cache() / "torch-compile")
    return torch.compile(loss, dynamic=False)

"""What engines say in passing, kept from a user who is shown a bar, and one line if something fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

STDERR = 2


@contextmanager
def stderr_aside() -> Iterator[BinaryIO]:
    """Standard error goes to a file, which is yielded: for the block of this process, for good of those it starts."""
    if sys.stderr is not None:
        sys.stderr.flush()
    kept = os.dup(STDERR)
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), STDERR)
            try:
                yield file
            finally:
                os.dup2(kept, STDERR)
    finally:
        os.close(kept)

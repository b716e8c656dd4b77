"""Files by programs of others, which need not be installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from chainrule.files import scratch


def packed(command: Sequence[str], write: Callable[[Path], object], before: str, after: str) -> int:
    """The bytes of the file that a program makes.

    Args:
        command: of the program, with {source} and {packed} for the two files.
        write: writes the source.
        before, after: suffixes of the files.

    Raises:
        ImportError: if there is no such program.
    """
    if shutil.which(command[0]) is None:
        raise ImportError(f"no program {command[0]}")
    with scratch() as folder:
        files = {"source": folder / f"source{before}", "packed": folder / f"packed{after}"}
        write(files["source"])
        subprocess.run([part.format(**files) for part in command], check=True, capture_output=True)
        return files["packed"].stat().st_size

"""Locks that end with their process: what one process works on, another leaves alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def lock(path: Path, patience: float = 0.0) -> Iterator[bool | None]:
    """Hold a lock file, which vanishes afterwards; the system gives the lock of a killed process free.

    Args:
        path: of the lock file, in a folder that exists.
        patience: seconds to wait for another holder.

    Yields:
        Whether it is held: False if another process, or another thread of this one, has it; None, which is logged,
        where the file system has no locks.

    Raises:
        OSError: if the file cannot be made.
    """
    import filelock

    own = filelock.FileLock(path, timeout=patience, thread_local=False)
    try:
        own.acquire()
    except filelock.Timeout:
        yield False
        return
    except (FileNotFoundError, FileExistsError, PermissionError):
        raise
    except (OSError, NotImplementedError) as error:
        log.warning("%s: no lock can be had here (%s); keep other processes away", path.parent, error)
        yield None
        return
    try:
        yield True
    finally:
        try:
            path.unlink()  # while it is held: whoever waits sees that the file is gone, and makes another
        except OSError:
            pass
        finally:
            own.release()

"""Commands in processes of their own, which start with ordinary signals and never outlive a test."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAM = (sys.executable, "-m", "chainrule")
PYTHON, SCRIPT = (sys.executable, "-c"), (sys.executable,)  # of a text, and of a file
SECONDS = 300  # for all that one does


@contextmanager
def child(*arguments, program=PROGRAM, sigint=signal.SIG_DFL, **options):
    """`chainrule …`, or another program, as a process that has SIGINT as told, whatever its parent's parent does.

    Signals that the parent ignores, as `nohup` and shells' background jobs do, could not stop it.
    """

    def listen():
        signal.signal(signal.SIGINT, sigint)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    process = subprocess.Popen(
        [*program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=listen,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def outcome(process, timeout=SECONDS):
    """The status of a process that ends by itself once it has no more to read, what it gave and what it said."""
    out, said = process.communicate(timeout=timeout)
    return process.returncode, out, said


def ended(*arguments, **options):
    """Those of one that needs no more than to be run."""
    with child(*arguments, **options) as process:
        return outcome(process)


def appears(path, process):
    """Wait until a file is there; whether the child that makes it still runs then."""
    until = time.monotonic() + SECONDS
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists(), f"{path.name} is not there: {process.args}"
    return process.poll() is None


def offspring(pid, words):
    """The processes that one has started, and those that these have, whose command or name has the words in it."""
    parents, named = {}, set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # they come and go
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            title = (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
            named |= {int(folder.name)} if words in title.decode(errors="replace") else set()
    found, below = [], {pid}
    while below:
        below = {child for child, parent in parents.items() if parent in below}
        found += sorted(below & named)
    return found

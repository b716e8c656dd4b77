"""Child processes of tests: each starts with the ordinary signals, and none outlives its test."""

import contextlib
import os
import signal
import subprocess
import sys
import time

PYTHON = (sys.executable, "-c")
PROGRAM = (sys.executable, "-m", "chainrule")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS = 300  # for all that a child does


def _ordinary_signals():
    """In the child: what `nohup` and shells' background jobs ignore is inherited, and could not stop it then."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def child(*command):
    """A process with pipes for text, on one thread; killed if it still runs when the block ends."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=_ordinary_signals,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """(status, output, errors) of a child once it has ended by itself, its input closed.

    Raises:
        subprocess.TimeoutExpired: if it does not in time.
    """
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def finished(*command):
    """Those of a command that needs no more than to be run."""
    with child(*command) as process:
        return ended(process)


def appears(path, process):
    """Wait until a file is there; whether the child that makes it still runs then."""
    until = time.monotonic() + SECONDS
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists(), f"{path.name} is not there: {process.args}"
    return process.poll() is None

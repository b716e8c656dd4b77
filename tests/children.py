"""Commands in processes of their own, which never outlive a test."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def child(*arguments, sigint=signal.SIG_DFL, **options):
    """`chainrule …` as a process that has SIGINT as told, whatever the tests' own parent made of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, sigint),
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(*arguments, timeout=300):
    """The status of such a process, what it gave and what it said."""
    with child(*arguments) as process:
        out, said = process.communicate(timeout=timeout)
        return process.returncode, out, said

"""What tests start can be interrupted, whoever started the tests."""

import signal
from pathlib import Path

from children import PYTHON, ended

PARENT = f"""
import signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from children import PYTHON, child, outcome
assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
with child("import time; print('here', flush=True); time.sleep(60)", program=PYTHON) as process:
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    print(outcome(process, timeout=30)[0])
"""


def test_a_child_hears_ctrl_c_where_its_parent_ignores_it():
    """As under `nohup`-like scripts, in shells' background jobs, and in some CI runners."""
    assert ended(PARENT, program=PYTHON, sigint=signal.SIG_IGN) == (0, f"{-signal.SIGINT}\n", "")

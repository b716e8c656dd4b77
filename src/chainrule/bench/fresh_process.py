"""What the first sample of a new process costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from chainrule.bench.nets import NETS, Net
from chainrule.errors import ChainruleError

CHILD = "import time; start = time.perf_counter(); from chainrule.bench.fresh_process import report; report(start)"


def measure_fresh(name: str, batch: int, threads: int, kept: Path | None) -> dict[str, float | None]:
    """Draw twice in a process of its own.

    Args:
        name: of `NETS`.
        batch: items at once.
        threads: of torch.
        kept: where compiled code is kept between processes, an empty folder for compiling it anew; None for where
            it is kept anyway.

    Returns:
        Seconds "imports", "first" of the first sample with the construction of the model, and "second"; bytes "held"
        at most by the process, and "imported" of them by imports alone, where the system says.

    Raises:
        ChainruleError: if the process fails.
    """
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, name, str(batch), str(threads)],
        env=os.environ | ({"NUMBA_CACHE_DIR": str(kept)} if kept else {}),
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise ChainruleError(f"bench sampling {name}: {ended.stderr.strip().splitlines()[-1]}")
    return json.loads(ended.stdout)


def report(start: float) -> None:
    """What `measure_fresh` runs: prints what it gives.

    Args:
        start: `time.perf_counter()` before the first import.
    """
    import torch

    import chainrule.engine.native  # noqa: F401
    from chainrule.records import peak_memory

    name, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    found: dict[str, float | None] = {"imported": peak_memory()}
    imported = time.perf_counter()
    net: Net = NETS[name]
    model = net.build()
    net.draw(model, batch, "native")
    first = time.perf_counter()
    net.draw(model, batch, "native")
    second = time.perf_counter()
    found |= {"imports": imported - start, "first": first - imported, "second": second - first}
    found["held"] = peak_memory()
    print(json.dumps(found))

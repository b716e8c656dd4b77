"""One peer in a process, and an environment, of its own: tables go in and come out as .parquet files."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.files import scratch

if TYPE_CHECKING:
    import pandas as pd

PROGRAM = Path(__file__).with_name("peers")
OURS = "chainrule"
# Peers that need an environment of their own; all others share one.
ENVIRONMENTS = {peer: peer for peer in ("arfpy", "hyperimpute", "miceforest", "unmasking-trees")}
SHARED = "main"
BUSY = 4  # times as long as a processor takes, on a machine with other work


def run_peer(
    task: str,
    peer: str,
    tables: Mapping[str, pd.DataFrame],
    *,
    environments: Path | None,
    seconds: float,
    **request: Any,
) -> dict[str, Any]:
    """Run one peer on one task.

    Args:
        task: "table", "synthesis", "imputation" or "anomaly".
        peer: of that task.
        tables: what it is given, by name.
        environments: folder of virtual environments; None for that of this process.
        seconds: limit, of one process on a processor, imports included; of the clock four times that.
        **request: what else it is asked.

    Returns:
        The tables it gives, by name, and "seconds"; or "error", what went wrong in one line.
    """
    import pandas as pd

    with scratch() as folder:
        for name, frame in tables.items():
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        asked = {"task": task, "peer": peer, "seed": 0, **request}
        (folder / "request.json").write_text(json.dumps(asked), encoding="utf-8")
        program = [_python(peer, environments), str(PROGRAM), str(folder)]
        try:
            code, said = _run(program, seconds, _environment(peer))
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {BUSY * seconds:.0f} s"}
        except OSError as error:
            return {"error": f"{program[0]}: {error.strerror}"}
        if code == -signal.SIGXCPU:
            return {"error": f"not done after {seconds:.0f} s of a processor"}
        answer = folder / "answer.json"
        if not answer.is_file():  # it was killed, or its Python lacks even pandas
            lines = said.strip().splitlines()
            return {"error": lines[-1] if lines else f"ended with {code}"}
        found = json.loads(answer.read_text(encoding="utf-8"))
        given = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
        return found | {name: frame for name, frame in given.items() if name not in tables}


def _run(program: list[str], seconds: float, environment: dict[str, str]) -> tuple[int, str]:
    """Its exit status and what it said; one that takes too long is ended with all that it started."""
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    most = math.ceil(seconds)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))

    with subprocess.Popen(
        program,
        stdout=null,
        stderr=pipe,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=limit,
    ) as process:
        try:
            _, said = process.communicate(timeout=BUSY * seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, said


def _python(peer: str, environments: Path | None) -> str:
    if peer == OURS or environments is None:
        return sys.executable
    return str(environments.resolve() / ENVIRONMENTS.get(peer, SHARED) / "bin" / "python")


def _environment(peer: str) -> dict[str, str]:
    """Variables of the process; only ours finds the packages that this process finds by PYTHONPATH."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | ({"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} if peer == OURS else {})

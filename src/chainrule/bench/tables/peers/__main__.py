"""Run one peer on one task: `python PEERS FOLDER`.

FOLDER holds `request.json`, with the task, the peer, a seed and what else the task asks for, and tables:
`train.parquet`, `test.parquet`. What the peer gives is put beside them: tables, and `answer.json` with the seconds it
took, of the clock and of the processor, or the error.
"""

from __future__ import annotations

import importlib
import json
import random
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

# Task → the file beside this one that has its peers, and the tables that they take.
TASKS = {
    "table": ("sources", ()),
    "synthesis": ("synthesis", ("train", "test")),
    "imputation": ("imputation", ("train", "test")),
    "anomaly": ("anomalies", ("train", "test")),
}


def main(folder: Path) -> None:
    """Run the request in a folder, and write the answer."""
    import numpy as np
    import pandas as pd

    warnings.simplefilter("ignore")
    request = json.loads((folder / "request.json").read_text())
    name, tables = TASKS[request["task"]]
    random.seed(request["seed"])
    np.random.seed(request["seed"])
    answer: dict[str, Any] = {}
    try:
        peer = importlib.import_module(name).PEERS[request["peer"]]
        given = [pd.read_parquet(folder / f"{table}.parquet") for table in tables]
        start, busy = time.perf_counter(), _processor_seconds()
        found = peer(*given, request)
        answer["seconds"] = time.perf_counter() - start
        answer["processor_seconds"] = _processor_seconds() - busy
        for table, frame in found.items():
            frame.to_parquet(folder / f"{table}.parquet", index=False)
    except Exception as error:  # of another library, under versions that it may not know
        traceback.print_exc()
        answer["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    (folder / "answer.json").write_text(json.dumps(answer))


def _processor_seconds() -> float:
    """What all threads of this process and its ended children took, which a busy machine hardly changes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""`bench tables`: every table, task and peer a record of its own, so that a run goes on where one stopped."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chainrule.bench.tables.peer import run_peer
from chainrule.bench.tables.tables import TABLES
from chainrule.bench.tables.tasks import PEERS, TASKS, tried
from chainrule.data.sets.folder import data_folder
from chainrule.errors import ChainruleError, nearest
from chainrule.files import write_text
from chainrule.records import to_json

RECORDS = Path("bench-tables")
LIMIT = 300.0  # seconds of a processor that a peer has for one task on one table
UCI = "uci"  # the folder of the named sets that has tables
# The figures by which peers are ranked, and whether more is better.
SHOWN: dict[str, dict[str, bool]] = {
    "synthesis": {"log_density": True, "usefulness": True, "two_sample": False, "distance_ratio": False,
                  "farthest_number": False, "outside": False, "negative": False, "frequent_gap": False,
                  "level_gap": False},
    "imputation": {"score": False, "rmse": False, "accuracy": True},
    "anomaly": {"auroc": True},
}  # fmt: skip
SPENT = "processor_seconds"


def measure(
    batch: int,
    repeats: int,
    *,
    models: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    peers: Path | None = None,
    records: Path = RECORDS,
    tell: Callable[[str], object] = str,
) -> dict:
    """Run what has no record yet, and give all records.

    Args:
        batch: rows of a table at most.
        repeats: not used; a table is split once.
        models: names of peers; all by default.
        tables: names of tables; all by default.
        tasks: which of `TASKS`; all by default.
        peers: folder of the peers' environments; None for that of this process.
        records: folder of the records, TABLE/TASK/PEER.json.
        tell: called with what is run next.

    Raises:
        ChainruleError: on an unknown peer, table or task, or a table that cannot be read.
    """
    known = sorted({peer for its in PEERS.values() for peer in its})
    for given, names, what in ((models, known, "peer"), (tables, TABLES, "table"), (tasks, TASKS, "task")):
        wrong = next((name for name in given or () if name not in names), None)
        if wrong is not None:
            raise ChainruleError(f"bench tables: no such {what}: {wrong!r}; {nearest(wrong, names)}")
    found = []
    for name in tables or TABLES:
        frame = None
        for task, (kind, _) in TASKS.items():
            for peer in PEERS[kind]:
                path = records / name / task / f"{peer}.json"
                if (models and peer not in models) or (tasks and task not in tasks):
                    continue
                if task == "anomaly-class" and not TABLES[name].usual:
                    continue
                if not path.is_file():
                    tell(f"{name}: {task} by {peer}")
                    frame = _read(name, batch, peers) if frame is None else frame
                    _record(path, name, task, kind, peer, frame, peers)
                found.append(json.loads(path.read_text(encoding="utf-8")))
    return {"about": "Real tables: synthesis, imputation, anomalies", "results": found}


def _read(name: str, rows: int, peers: Path | None) -> Any:
    """The table, read where its package is installed."""
    table = TABLES[name]
    names = [str(data_folder() / UCI / file) for file in table.name] if table.package == UCI else table.name
    request = {"package": table.package, "name": names, "n": rows}
    found = run_peer("table", "table", {}, environments=peers, seconds=LIMIT, **request)
    if "error" in found:
        raise ChainruleError(f"bench tables: {name} of {table.package} cannot be read ({found['error']})")
    return found["table"]


def _record(path: Path, name: str, task: str, kind: str, peer: str, frame: Any, peers: Path | None) -> None:
    def ask(given: dict[str, Any], **request: Any) -> dict[str, Any]:
        return run_peer(kind, peer, given, environments=peers, seconds=LIMIT, **request)

    try:
        result = tried(task, TABLES[name], frame, ask)
    except (
        ChainruleError,
        KeyError,
        ValueError,
    ) as error:  # rows that cannot be judged: of other columns or types
        result = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in result.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"table": name, "rows": len(frame), "columns": frame.shape[1], "task": task, "peer": peer}
    write_text(path, to_json(about | plain))


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row for each task and figure: the mean rank of each peer over tables, and the mean of its figure."""
    rows = []
    for task, (kind, _) in TASKS.items():
        results = [each for each in record["results"] if each["task"] == task]
        for figure, more in {**SHOWN[kind], SPENT: False}.items():
            ranks = mean_ranks(results, figure, more)
            order = sorted(ranks, key=lambda peer: ranks[peer])
            shown = ", ".join(
                f"{peer} {ranks[peer]:.1f} ({_mean(results, peer, figure):.3g})" for peer in order
            )
            count = len({each["table"] for each in results if each["peer"] in ranks})
            if shown or (results and figure == SPENT):
                rows.append([task, figure, str(count), shown or "none"])
    return ["task", "figure", "tables", "mean rank (and mean) of each, the best first"], rows


def _mean(results: Sequence[dict], peer: str, figure: str) -> float:
    own = [each[figure] for each in results if each["peer"] == peer and each.get(figure) is not None]
    return sum(own) / len(own) if own else math.nan


def notes(record: dict) -> list[str]:
    """What failed, and on what."""
    failed = defaultdict(list)
    for each in record["results"]:
        if "error" in each:
            failed[each["peer"], each["error"]].append(f"{each['table']} {each['task']}")
    return [f"{peer} failed on {', '.join(where)}: {error}." for (peer, error), where in failed.items()]


def mean_ranks(results: Sequence[dict], figure: str, more: bool) -> dict[str, float]:
    """Mean rank of each peer over tables, 1 the best, ties in the middle; those that failed on a table come last.

    Peers that have the figure of no table have no rank.
    """
    from scipy.stats import rankdata

    having = {each["peer"] for each in results if each.get(figure) is not None}
    results = [each for each in results if each["peer"] in having]
    ranks = defaultdict(list)
    for name in sorted({each["table"] for each in results}):
        own = [each for each in results if each["table"] == name]
        values = [each.get(figure) for each in own]
        keys = [math.inf if value is None else -value if more else value for value in values]
        for each, rank in zip(own, rankdata(keys), strict=True):
            ranks[each["peer"]].append(float(rank))
    return {peer: sum(its) / len(its) for peer, its in ranks.items()}

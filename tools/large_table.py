"""Train, evaluate, score, complete and draw a large table, and record the time and the peak memory of each.

    python tools/large_table.py FOLDER --rows 50000000

The table, ten columns of usual kinds in Parquet files of a million rows, is made once; the record is a JSON file beside
it. Memory is that of the largest process, times are of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILE = 1_000_000  # rows
JOBS = np.array(["clerk", "smith", "baker", "nurse", "pilot"])
TOWNS = np.array([f"town{i:03d}" for i in range(200)])


def table(number: int, rows: int) -> pa.Table:
    """The rows of one file."""
    rng = np.random.default_rng(number)
    age, job = rng.integers(18, 90, rows), rng.integers(0, 5, rows)
    days = np.datetime64("2020-01-01") + rng.integers(0, 1500, rows).astype("timedelta64[D]")
    rate = np.where(rng.random(rows) < 0.05, np.nan, np.round(rng.beta(2, 5, rows), 3))
    return pa.table({
        "age": age,
        "job": pa.array(JOBS[job]),
        "town": pa.array(TOWNS[rng.zipf(1.3, rows) % 200]),
        "income": np.round(np.exp(rng.normal(9 + 0.2 * job + 0.01 * age, 0.4)), 2),
        "children": rng.poisson(1.3, rows),
        "married": rng.random(rows) < age / 120,
        "height": np.round(rng.normal(172, 9, rows), 1),
        "score": rng.normal(size=rows) + 0.3 * job,
        "day": pa.array(days),
        "rate": pa.array(rate, from_pandas=True),
    })  # fmt: skip


def make(folder: Path, rows: int) -> None:
    """Write the files that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-rows // FILE)):
        path = folder / f"{number:04d}.parquet"
        if not path.exists():
            pq.write_table(table(number, min(FILE, rows - number * FILE)), path, row_group_size=1 << 17)


def timed(command: list[str], limit: float, out: Path | None) -> dict:
    """Run a command, for some seconds at most: what is done stays, and the same command would go on.

    Returns:
        Seconds, exit status, the memory in MB of it and its children second by second; and the rows in `out`.
    """
    start, curve = time.monotonic(), []
    process = subprocess.Popen([sys.executable, "-m", "chainrule", *command])
    while process.poll() is None:
        curve.append(round(sum(map(resident, family(process.pid)))))
        time.sleep(1)
        if time.monotonic() - start > limit:
            process.send_signal(signal.SIGINT)
            process.wait()
    seconds = time.monotonic() - start
    found = {
        "seconds": round(seconds, 1),
        "peak_mb": max(curve),
        "status": process.returncode,
        "curve_mb": curve,
    }
    if out is not None:
        found["rows_done"] = sum(pq.read_metadata(file).num_rows for file in out.glob("*.parquet"))
    return found


def family(pid: int) -> list[int]:
    """A process and those that it has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def resident(pid: int) -> float:
    """MB of a process that are its own: pages of files, which the system may drop, do not count."""
    try:
        _, pages, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    except OSError:
        return 0.0
    return (pages - shared) * os.sysconf("SC_PAGE_SIZE") / 1e6


def draw(record: dict, path: Path) -> None:
    """The memory of each command over time."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for name, found in record.items():
        if isinstance(found, dict):
            axes.plot(np.arange(len(found["curve_mb"])) / 60, found["curve_mb"], label=name)
    axes.axhline(4 * 1024, color="0.6", lw=0.8)
    axes.set(xlabel="minutes", ylabel="MB", ylim=(0, 4500), title=f"{record['rows']:,} rows of 10 columns")
    axes.legend(frameon=False, ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Make the table and run the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--minutes", default="3")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--model", default="made")
    parser.add_argument("--limit", type=float, default=1e9, help="seconds of a command at most")
    parser.add_argument("--only", nargs="*", help="commands to run; all by default")
    asked = parser.parse_args()
    data, run, out = asked.folder / "rows", asked.folder / "run", asked.folder / "out"
    make(data, asked.rows)
    engine = ["--engine", "local", "--workers", asked.workers]
    commands = {
        "train": ["train", asked.model, "--data", str(data), "--in-parts", "--minutes", asked.minutes, "--overwrite",
                  "--out", str(run)],
        "evaluate": ["evaluate", str(run)],
        "score": ["score", str(run), str(data), *engine, "-o", str(out / "scored")],
        "complete": ["complete", str(run), str(data), *engine, "-o", str(out / "filled")],
        "sample": ["sample", str(run), "-n", str(asked.rows), *engine, "-o", str(out / "drawn")],
    }  # fmt: skip
    outs = {"score": out / "scored", "complete": out / "filled", "sample": out / "drawn"}
    kept = asked.folder / "record.json"  # of other commands
    record = json.loads(kept.read_text()) if kept.exists() else {}
    record |= {"rows": asked.rows, "workers": int(asked.workers), "model": asked.model}
    for name, command in commands.items():
        if asked.only and name not in asked.only:
            continue
        record[name] = timed(command, asked.limit, outs.get(name))
        print(name, {key: value for key, value in record[name].items() if key != "curve_mb"}, flush=True)
        kept.write_text(json.dumps(record) + "\n")
        draw(record, asked.folder / "memory.png")


if __name__ == "__main__":
    main()

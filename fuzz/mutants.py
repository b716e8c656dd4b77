"""Break the source in one place at a time, and see that the tests notice.

    python fuzz/mutants.py                       # all of mutants.toml, with a record in mutants.json
    python fuzz/mutants.py --only average clip   # those whose name has one of these words; the record keeps the others
    python fuzz/mutants.py --rest                # those that the record does not have as killed
    python fuzz/mutants.py --check               # only see that every text to be replaced is in the source, once

Each mutant is made in a copy of src/ in a temporary folder; of the tests only those named with it are run, one mutant
after another. Before that, they must pass on the copy as it is: what fails anyway kills nothing. The status is
1 unless all are killed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

# What takes seconds to load is loaded once; each run of tests is a fork.
HEAVY = (
    "torch",
    "lightning.pytorch",
    "scipy.stats",
    "sklearn",
    "pandas",
    "hypothesis",
    "typer",
    "rich",
    "PIL",
    "numba",
)
FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
TABLE, RECORD = FOLDER / "mutants.toml", FOLDER / "mutants.json"
SOURCE = ROOT / "src" / "chainrule"
os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything loads Triton: its kernels then run on a CPU
SECONDS = 600  # of a test run; one that takes longer hangs, which is noticed too


def mutants() -> list[dict]:
    """The table: what each breaks, its file, the text there, what takes its place, and the arguments of pytest."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))["mutant"]


def problem(mutant: dict) -> str | None:
    """What is wrong with an entry of the table; None if nothing."""
    path = SOURCE / mutant["file"]
    count = path.read_text(encoding="utf-8").count(mutant["old"]) if path.is_file() else 0
    if count != 1 or mutant["old"] == mutant["new"]:
        return f"{mutant['breaks']}: expected its text once in {mutant['file']}, found it {count} times"
    files = [name for name in mutant["tests"].split() if name.startswith("tests/")]
    missing = [name for name in files if not (ROOT / name.partition("::")[0]).is_file()]
    return f"{mutant['breaks']}: no such tests: {' '.join(missing)}" if missing or not files else None


def tried(source: Path, tests: str) -> str:
    """What the tests say of the package in a folder: "passed", "failed", or "none" if there are none of that name."""
    process = multiprocessing.get_context("fork").Process(target=_test, args=(source, tests))
    process.start()
    process.join(SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # and whatever it started
    process.join()
    return {0: "passed", 5: "none"}.get(process.exitcode, "failed")


def _test(source: Path, tests: str) -> None:
    """In a child, which has all packages but ours."""
    os.setsid()
    os.chdir(ROOT)
    os.environ |= {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    sys.path.insert(0, str(source))
    sys.dont_write_bytecode = True
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    files, _, words = tests.partition(" -k ")
    # Warnings are errors in tests; that a plugin of pytest was loaded before it is none of theirs.
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += ["-k", words] if words else []
    os._exit(pytest.main([*files.split(), *options]))


def run(chosen: list[dict]) -> Iterator[dict]:
    """Try each; what became of it: "killed", "survived", or "untried" where its tests do not pass without it."""
    for package in HEAVY:
        importlib.import_module(package)
    sound: dict[str, bool] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for mutant in chosen:
            tests, path = mutant["tests"], copy / "chainrule" / mutant["file"]
            if tests not in sound:
                sound[tests] = tried(copy, tests) == "passed"
            start = time.perf_counter()
            became = "untried"
            if sound[tests]:
                whole = path.read_text(encoding="utf-8")
                path.write_text(whole.replace(mutant["old"], mutant["new"]), encoding="utf-8")
                became = "survived" if tried(copy, tests) == "passed" else "killed"
                shutil.copy2(SOURCE / mutant["file"], path)  # with its time: compiled code is not made anew
            row = {key: mutant[key] for key in ("breaks", "file", "tests")}
            yield row | {"became": became, "seconds": round(time.perf_counter() - start, 1)}


def main() -> int:
    """Check, run, record; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of mutants")
    parser.add_argument("--rest", action="store_true", help="those that are not killed yet")
    parser.add_argument("--check", action="store_true", help="only look for the texts")
    options = parser.parse_args()
    table = mutants()
    problems = [said for said in map(problem, table) if said]
    if problems:
        raise SystemExit("\n".join(problems))
    if options.check:
        return 0
    part = options.only or options.rest
    kept = json.loads(RECORD.read_text(encoding="utf-8"))["mutants"] if part and RECORD.exists() else []
    rows = {row["breaks"]: row for row in kept}
    killed = {name for name, row in rows.items() if row["became"] == "killed"}
    words, done = options.only or [""], killed if options.rest else set()
    chosen = [m for m in table if any(word in m["breaks"] for word in words) and m["breaks"] not in done]
    for row in run(chosen):
        print(f"{row['became']:8} {row['seconds']:6.1f} s  {row['breaks']}", flush=True)
        rows[row["breaks"]] = row
        own = [rows[mutant["breaks"]] for mutant in table if mutant["breaks"] in rows]
        counts = Counter(row["became"] for row in own)
        record = {"command": "python fuzz/mutants.py", "became": dict(counts), "mutants": own}
        RECORD.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(any(row["became"] != "killed" for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())

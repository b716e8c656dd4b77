"""Kill commands at random moments: what they write is absent, old and whole, or new and whole, never anything else.

    python fuzz/kills.py --kills 60 --seed 0

Each command runs in a process of its own, forked from this one, which has loaded everything. It is killed by SIGKILL at
a moment of the time that it takes undisturbed; every second time as soon as, or soon after, it begins to write. What
training was killed is resumed, and must end as if it never had been, bit for bit.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import lightning.pytorch  # noqa: F401 (loaded before the first fork, as all the rest)
import matplotlib.pyplot  # noqa: F401
import numpy as np
import sklearn.datasets  # noqa: F401
import torch

import chainrule.report
import chainrule.tasks.compress
import chainrule.training.recorder  # noqa: F401
from chainrule.cli import main
from chainrule.data.sets.sources import tables
from chainrule.data.sets.sources.catalogue import SOURCES
from chainrule.data.sets.sources.source import Download, Source, content_digest, write_content
from chainrule.errors import RunError
from chainrule.training import Run

TRAIN = ["train", "causal-conv1d", "--data", "digits", "--epochs", "4", "--device", "cpu"]
TRAIN += ["--set", "channels=8", "--set", "depth=2"]
MINE = {"notes.txt": b"mine", "checkpoints/kept.bin": b"too"}


@dataclass
class Case:
    """A command, and what it writes.

    Attributes:
        name: of the command, and how it is used.
        command: its arguments, {out} being where it writes.
        old: puts there what was there before; None for nothing.
        state: tells apart what is there: "absent", or something that is equal if all of it is; raises if it is broken.
        again: arguments with which the command is begun again, and has to end as if it never had been killed.
    """

    name: str
    command: list[str]
    state: Callable[[Path], object]
    old: Callable[[Path], None] | None = None
    again: list[str] = field(default_factory=list)


def content(path: Path) -> object:
    """Of a file, or of all files of a folder."""
    if not path.exists():
        return "absent"
    if path.is_file():
        return path.read_bytes()
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def run_in(folder: Path) -> object:
    """A run: its settings, weights and curve, which belong together, and the user's files."""
    if not (folder / "config.yaml").exists() and not list(folder.glob(".chainrule-[rm]*")):
        return "absent"
    try:
        run = Run.open(folder)
    except RunError as error:
        # Begun, and without weights yet: it is resumed as any other.
        if "model.json: no such file" in str(error) or "found no such file" in str(error):
            return "begun"
        raise
    if run.config["model"] != run.model.name:
        raise AssertionError(f"the settings of {run.config['model']}, the weights of {run.model.name}")
    page = folder / "report.html"
    if page.exists() and not page.read_text().rstrip().endswith("</html>"):
        raise AssertionError("half a page")
    curve = [tuple(value for name, value in row.items() if name != "seconds") for row in run.metrics]
    weights = (folder / "model.safetensors").read_bytes()
    own = {name: (folder / name).read_bytes() for name in MINE if (folder / name).exists()}
    return run.model.name, curve, weights, own


def made(folder: Path) -> object:
    """What is in a data folder, but for the hidden folder of a set that is being made."""
    found = (
        {path: value for path, value in content(folder).items() if "/." not in f"/{path}"}
        if folder.exists()
        else {}
    )
    return found or "absent"


def serve(mirror: Path) -> None:
    """Let a small set of three files stand for nltcs, in a folder that serves them."""
    rows = np.random.default_rng(0).integers(0, 2, (60_000, 16), np.uint8)
    text = b"\n".join(b",".join(b"01"[bit : bit + 1] for bit in row) for row in rows) + b"\n"
    mirror.mkdir()
    splits, file = ("train", "valid", "test"), "debd/nltcs.npz"
    for split in splits:
        (mirror / f"nltcs.{split}.data").write_bytes(text)
    write_content(mirror / "made.npz", dict.fromkeys(splits, rows))
    parts = tuple(
        Download(f"https://site/nltcs.{split}.data", len(text), hashlib.sha256(text).hexdigest())
        for split in splits
    )
    of = {file: content_digest(mirror / "made.npz")}
    SOURCES["nltcs"] = Source("free", parts, partial(tables.bits, file), of)


def cases(root: Path) -> list[Case]:
    """All of them, on runs in a folder."""
    words, folder = root / "words.bin", root / "folder"
    words.write_bytes(np.random.default_rng(0).integers(97, 103, 6_000, np.uint8).tobytes())
    (root / "words.txt").write_bytes(words.read_bytes())
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.bin").write_bytes(words.read_bytes()[: 100 * number])
    for arguments in (
        [
            "independent",
            "--data",
            str(root / "words.txt"),
            "--domain",
            "sequence:64:256",
            "--out",
            str(root / "bytes"),
        ],
        ["independent", "--data", "digits", "--out", str(root / "digits")],
    ):
        finish(["train", *arguments])
    finish(["compress", str(root / "bytes"), str(words), "-o", str(root / "words.chr")])
    finish(["compress", str(root / "bytes"), str(folder), "-o", str(root / "folder.chr")])

    serve(root / "mirror")
    get = ["data", "get", "nltcs", "--data-dir", "{out}", "--mirror", str(root / "mirror")]

    def old_run(out: Path) -> None:
        shutil.copytree(root / "digits", out)
        for name, text in MINE.items():
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_bytes(text)

    def old_file(out: Path) -> None:
        out.write_bytes(b"old")

    digits, coded = str(root / "digits"), str(root / "bytes")
    train = [*TRAIN, "--out", "{out}"]
    return [
        Case("train", train, run_in, again=[*train, "--resume"]),
        Case("train --overwrite", [*train, "--overwrite"], run_in, old_run, [*train, "--overwrite", "--resume"]),
        Case("compress", ["compress", coded, str(words), "-o", "{out}"], content, old_file),
        Case("decompress", ["decompress", coded, str(root / "words.chr"), "-o", "{out}"], content, old_file),
        Case("decompress, a folder", ["decompress", coded, str(root / "folder.chr"), "-o", "{out}"], content),
        Case("sample -o", ["sample", digits, "-n", "2000", "-o", "{out}.npy"], content, old_file),
        Case("data get", get, made, again=get),
        Case("score -o", ["score", digits, "digits", "-o", "{out}.csv"], content, old_file),
    ]  # fmt: skip


def start(arguments: list[str]) -> int:
    """The command in a process of its own; gives its number."""
    child = os.fork()
    if child:
        return child
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os._exit(main(arguments))


def finish(arguments: list[str]) -> float:
    """The command undisturbed; how long it takes.

    Raises:
        RuntimeError: if it fails.
    """
    begun = time.perf_counter()
    if status := os.waitpid(start(arguments), 0)[1]:
        raise RuntimeError(f"{' '.join(arguments)}: ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begun


def killed(arguments: list[str], place: Path, seconds: float, chance: random.Random, aimed: bool) -> bool:
    """The command, killed; whether it was under way.

    Args:
        arguments: of the command.
        place: the folder that it writes into.
        seconds: that it takes undisturbed.
        chance: of the moment.
        aimed: whether at one of its writes.
    """
    child, begun = start(arguments), time.perf_counter()
    moment = chance.random() * seconds
    while time.perf_counter() - begun < moment:
        time.sleep(0.001)
    while (
        aimed
        and not writing(place)
        and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    ):
        pass
    time.sleep(chance.random() * 0.003 * aimed)
    os.kill(child, signal.SIGKILL)  # it has not been waited for: its number is no one else's
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def writing(place: Path) -> list[Path]:
    """The temporaries in a folder, and in a run in it."""
    found = [path for path in place.glob("**/.chainrule-*") if "/.chainrule-lock" not in str(path)]
    found += place.glob("out/.get-*/*")
    return [path for path in found if ".chainrule-tmp-" in path.name or "/.chainrule-next" not in str(path)]


def try_case(case: Case, kills: int, chance: random.Random, root: Path) -> dict:
    """Kill it so many times; what was there afterwards.

    Raises:
        AssertionError: if something is neither as before nor as it has to become.
    """
    place = root / "place"
    out = place / "out"
    ending = next(("".join(Path(word).suffixes) for word in case.command if word.startswith("{out}.")), "")
    target = out.with_name(f"out{ending}")

    def fresh() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if case.old is not None:
            case.old(target)

    def worded(arguments: list[str]) -> list[str]:
        return [word.replace("{out}", str(out)) for word in arguments]

    fresh()
    old = case.state(target)
    seconds = finish(worded(case.command))
    new, tally = case.state(target), Counter()
    assert new != old
    for number in range(kills):
        fresh()
        tally[
            "under way" if killed(worded(case.command), place, seconds, chance, bool(number % 2)) else "done"
        ] += 1
        tally["with temporaries left"] += bool(writing(place))
        found = case.state(target)
        if found == old:
            tally["old" if case.old else "absent"] += 1
        elif found == new:
            tally["new"] += 1
        else:  # a run that was begun is no half of one: it says how far it is, and goes on
            going = found == "begun" or (case.again and not case.old and found[1] == new[1][: len(found[1])])
            assert going, f"{case.name}: neither old nor new"
            tally["begun"] += 1
        finish(worded(case.again or (case.command if case.old or found != new else worded(["models"]))))
        assert case.state(target) == new, f"{case.name}: begun again, it ends otherwise"
        assert not writing(place), f"{case.name}: {writing(place)} are left"
    return {"seconds": round(seconds, 2), **dict(sorted(tally.items()))}


def fuzz(kills: int, seed: int, only: str | None = None) -> dict:
    """So many kills, shared among the cases."""
    chance, begun, found = random.Random(seed), time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        every = [case for case in cases(Path(folder)) if only in (None, case.name)]
        for number, case in enumerate(every):
            share = kills // len(every) + (number < kills % len(every))
            found[case.name] = try_case(case, share, chance, Path(folder))
            print(case.name, found[case.name], file=sys.stderr)
    return {
        "command": f"python fuzz/kills.py --kills {kills} --seed {seed}",
        "kills": kills,
        "under_way": sum(case.get("under way", 0) for case in found.values()),
        "half_written": 0,
        "ended_otherwise_when_begun_again": 0,
        "cases": found,
        "seconds": round(time.perf_counter() - begun, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the name of one case")
    torch.set_num_threads(1)
    print(json.dumps(fuzz(**vars(parser.parse_args())), indent=2))

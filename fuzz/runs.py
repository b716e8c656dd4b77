"""Damage run folders as strangers might: each must be read or refused, in one line, quickly and in little memory.

    python fuzz/runs.py --mutants 2000 --seed 0

A mutant is a whole run folder with bytes of one or two of its files changed, cut, doubled or exchanged, with values of
its model.json or config.yaml replaced by numbers, texts and nests that do not belong there, or with another header or
tree in its tensors. It is loaded, evaluated on the data that its configuration names, and sampled from; its checkpoint
is read. Each must succeed or raise a `ChainruleError`, within seconds and 2 GiB.
"""

import argparse
import contextlib
import io
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import yaml

import chainrule as cr
from chainrule.cli import main
from chainrule.models import tiny_model
from chainrule.models.base.capabilities import ClosedForm
from chainrule.training.checkpoint import SafetensorsIO

SECONDS = 5.0
GIGABYTES = 2
LAST = "checkpoints/last.safetensors"
FILES = ("model.json", "config.yaml", "metrics.csv", "model.safetensors", LAST)
VALUES = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**12, 10**400, -1.5, 1e308, float("inf"), float("nan"), "", "made", "\ud800",
    "x" * 10_000, "../../etc/passwd", "hf:a/b", "2026-13-45", [], {}, [[]], [1e999], {"a": {"b": []}}, [2] * 9999,
)  # fmt: skip


def seeds(folder: Path) -> list[Path]:
    """Whole runs of several kinds."""
    data = cr.load_data("digits").first(40)
    found = []
    for name in ("causal-conv1d", "made", "independent", "gated-pixelcnn", "vae"):
        torch.manual_seed(0)
        classes = {"classes": 10} if name == "gated-pixelcnn" else {}
        model = tiny_model(name, data.domain, **classes)
        options = {} if isinstance(model, ClosedForm) else {"epochs": 1}
        cr.fit(model, data, out=folder / name, device="cpu", progress=False, **options)
        found.append(folder / name)
    return found


def replaced(tree: Any, chance: random.Random) -> Any:
    """A tree of JSON with one value replaced, removed or wrapped."""
    if isinstance(tree, dict) and tree and chance.random() < 0.85:
        key = chance.choice(list(tree))
        if chance.random() < 0.1:
            return {k: v for k, v in tree.items() if k != key}
        return {**tree, key: replaced(tree[key], chance)}
    if isinstance(tree, list) and tree and chance.random() < 0.6:
        place = chance.randrange(len(tree))
        return [*tree[:place], replaced(tree[place], chance), *tree[place + 1 :]]
    if type(tree) is int and chance.random() < 0.5:
        return tree * chance.choice((-1, 2, 1000, 10**6, 10**9))
    return chance.choice(VALUES) if chance.random() < 0.9 else [tree]


def damaged(blob: bytes, chance: random.Random) -> bytes:
    """Bytes with a few changes."""
    data = bytearray(blob)
    for _ in range(chance.choice((1, 1, 2, 6))):
        kind, place = chance.randrange(5), chance.randrange(len(data) or 1)
        if chance.random() < 0.5:
            place = min(place, chance.randrange(400))  # the header
        if kind == 0 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and data:
            data[place : place + 1] = chance.choice(
                (b"\0", b"\xff", b"9", b"[", b"{", b'"', b"&a ", b"*a", b"-")
            )
        elif kind == 2:
            del data[place : place + chance.choice((1, 8, 10**6))]
        elif kind == 3:
            data[place:place] = data[place : place + chance.randrange(1, 60)]
        else:
            data[place:place] = chance.choice((b"[" * 3000, b"9" * 5000, b"{a: " * 500, b"\n"))
    return bytes(data)


def mutate(run: Path, others: list[Path], chance: random.Random) -> str:
    """Damage a copy of a run; which of its files."""
    name = chance.choice([name for name in FILES if (run / name).exists()])
    path, kind = run / name, chance.randrange(4)
    if kind == 0 and (other := chance.choice(others) / name).exists():
        shutil.copyfile(other, path)
    elif kind < 3 and name == "model.json":
        path.write_text(json.dumps(replaced(json.loads(path.read_text()), chance)))
    elif kind < 3 and name == "config.yaml":
        tree = replaced(yaml.safe_load(path.read_text()), chance)
        path.write_text(yaml.safe_dump(tree), errors="surrogatepass")
    elif kind < 3 and name.endswith(".safetensors"):
        with safetensors.safe_open(path, framework="pt") as file:
            tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
        key = chance.choice(sorted(tensors))
        tensors[key] = chance.choice(
            (tensors[key].double(), tensors[key].flatten()[:-1].clone(), tensors[key].to(torch.float8_e5m2),
             torch.full_like(tensors[key], 2), torch.zeros(0))
        )  # fmt: skip
        if metadata and "tree" in metadata:
            metadata["tree"] = json.dumps(replaced(json.loads(metadata["tree"]), chance))
        safetensors.torch.save_file(tensors, path, metadata)
    else:
        path.write_bytes(damaged(path.read_bytes(), chance))
    return name


def call(arguments: list[str]) -> str:
    """ "" where a command did what it should; else its error, in one line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    lines = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
    assert status in (0, 1) and len(lines) == status, err.getvalue()
    assert "unexpected" not in err.getvalue() and "Traceback" not in err.getvalue(), err.getvalue()
    return "".join(lines)


def try_all(run: Path, kind: str) -> str:
    """What became of a mutant of a kind of run: the first refusal, or "read"."""
    if (run / LAST).exists():
        with contextlib.suppress(cr.errors.ChainruleError):
            SafetensorsIO().load_checkpoint(run / LAST)
    said = call(["evaluate", str(run), "--split", "valid", "--no-baselines", "--json", "--device", "cpu"])
    label = ["--label", "3"] if kind == "gated-pixelcnn" else []
    drawn = call(["sample", str(run), "-n", "1", "--json", "--device", "cpu", *label])
    return said or drawn or "read"


def fuzz(mutants: int, seed: int) -> dict:
    """Try so many mutants; what became of them.

    Raises:
        AssertionError: on an error of another kind, or one that takes too long or too much memory.
    """
    chance, counts, slowest = random.Random(seed), Counter(), 0.0
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        runs = seeds(Path(root))
        assert all(try_all(run, run.name) == "read" for run in runs)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + GIGABYTES * 2**30, hard))
        copy = Path(root) / "mutant"
        for i in range(mutants):
            shutil.rmtree(copy, ignore_errors=True)
            whole = chance.choice(runs)
            shutil.copytree(whole, copy)
            names = [mutate(copy, runs, chance)]
            if chance.random() < 0.3:
                with contextlib.suppress(Exception):  # what is damaged already may be no tree any more
                    names.append(mutate(copy, runs, chance))
            start = time.process_time()
            try:
                said = try_all(copy, whole.name)
            except BaseException:
                shutil.copytree(copy, f"fuzz-runs-{seed}-{i}", dirs_exist_ok=True)
                print(f"mutant {i} of {', '.join(names)} is kept in fuzz-runs-{seed}-{i}", file=sys.stderr)
                raise
            slowest = max(slowest, time.process_time() - start)
            assert slowest < SECONDS, f"{slowest:.1f} s: mutant {i} of {', '.join(names)}"
            counts["read" if said == "read" else "refused"] += 1
    return {"mutants": mutants, "seed": seed, **counts, "slowest_seconds": round(slowest, 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    print(json.dumps(fuzz(**vars(parser.parse_args())), indent=2))

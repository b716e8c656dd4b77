"""Damage files of every format: each must be read or refused, in one line that names it, quickly and in little memory.

    python fuzz/readers.py --cases 3000 --seed 0 pictures arrays

A case is a whole file with bits flipped, bytes changed, cut, doubled or taken from another file, or with numbers of its
header made as large as can be; checksums are made right again, as an adversary would. Reading it must succeed or raise
a `ChainruleError`, within seconds and 2 GiB. Cases run in a process of their own, which is started anew if it dies.
To add a reader: write its seeds and its call, and put them into `READERS` of its file.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import formats
import seeds
import sequences
from seeds import Seed

import chainrule as cr

READERS = seeds.READERS | sequences.READERS | formats.READERS

SECONDS = 5.0
WATCH = 60.0  # seconds of the clock until a process is given up
GIGABYTES = 2
MAX_BYTES = 512 << 20  # for $CHAINRULE_MAX_BYTES
EXTREMES = (b"\0", b"\x01", b"\x7f", b"\x80", b"\xff")


def mutate(seed: Seed, others: list[Seed], chance: random.Random) -> bytes:
    """One damaged file."""
    data = bytearray(seed.blob)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        kind, place = chance.randrange(10), chance.randrange(len(data) or 1)
        if chance.random() < 0.5:
            place = min(place, chance.randrange(128))  # headers are where the numbers are
        if kind == 0 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and data:
            data[place] = chance.randrange(256)
        elif kind == 2 and chance.random() < 0.5:
            del data[place:]
        elif kind == 3:
            del data[place : place + chance.randrange(1, 9)]
        elif kind == 4:
            data[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 5:
            data[place:place] = data[place : place + chance.randrange(1, 200)]
        elif kind == 6:
            other = chance.choice(others).blob
            data[place:] = other[chance.randrange(len(other)) :]
        elif kind == 7:
            width = chance.choice((1, 2, 4, 8))
            data[place : place + width] = chance.choice(EXTREMES) * width
        elif kind == 8:  # a number in text
            digits = [i for i, byte in enumerate(data[:4096]) if chr(byte).isdigit()]
            if digits:
                at = chance.choice(digits)
                data[at : at + 1] = chance.choice((b"-1", b"0", b"9" * 9, b"9" * 400, b"1e999", b"nan"))
        elif data:
            near = bytearray(data[place : place + 40])
            chance.shuffle(near)
            data[place : place + 40] = near
    return seed.wrap(bytes(data)) if chance.random() < 0.7 else bytes(data)


def serve(connection: Connection) -> None:
    """Read the files one is told to; say what became of each, how long it took, and the most memory so far."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + (GIGABYTES << 30),) * 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while True:
        reader, path, number = connection.recv()
        start = time.process_time()  # of this process: other work on the machine is no fault
        try:
            READERS[reader].read(path, random.Random(number))
            said = None
        except cr.errors.ChainruleError as error:
            said = str(error)
        except Exception as error:
            said = f"!{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        connection.send((said, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


class Worker:
    """The process that reads."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self.end, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def read(self, reader: str, path: Path, number: int) -> tuple[str | None, float, float]:
        """What was said, seconds, MiB; what begins with "!" is a fault."""
        self.end.send((reader, path, number))
        try:
            if self.end.poll(WATCH):
                return self.end.recv()
            said = f"!hangs for over {WATCH:.0f} s"
        except EOFError:
            said = "!the process died"
        self.process.kill()
        self.__init__()
        return said, 0.0, 0.0


def fault(said: str | None, seconds: float, name: str) -> str | None:
    """What is wrong with how a file was read, if anything."""
    if seconds > SECONDS:
        return f"took {seconds:.1f} s"
    if said is None:
        return None
    if said.startswith("!"):
        return said[1:]
    if "\n" in said or "unexpected" in said or len(said) > 1000:
        return f"not one clear line: {said!r}"
    return None if name in said else f"does not name the file: {said!r}"


def fuzz(names: list[str], cases: int, seed: int, keep: Path | None) -> dict:
    """Try so many cases of each reader; what became of them."""
    os.environ["CHAINRULE_MAX_BYTES"] = str(MAX_BYTES)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            worker, chance, files = Worker(), random.Random(f"{name} {seed}"), READERS[name].seeds()
            kinds: Counter[str] = Counter()
            faults, read, slowest, largest = [], 0, 0.0, 0.0
            for number in range(cases):
                whole = files[number % len(files)]
                path = Path(folder, f"case{number}{whole.suffix}")
                # The whole files come first: they can be read.
                path.write_bytes(whole.file if number < len(files) else mutate(whole, files, chance))
                said, seconds, megabytes = worker.read(name, path, number)
                wrong = fault(said, seconds, path.name)
                if number < len(files) and said is not None:
                    wrong = f"the whole file is refused: {said}"
                if wrong:
                    faults.append(f"{path.name}: {wrong}"[:300])
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / f"{name}-{path.name}").write_bytes(path.read_bytes())
                read += said is None
                kinds[" ".join((said or "").replace(str(path), "FILE").split()[:7])] += said is not None
                slowest, largest = max(slowest, seconds), max(largest, megabytes)
                path.unlink()
            found[name] = {
                "cases": cases,
                "formats": dict(sorted(Counter(file.suffix for file in files).items())),
                "read": read,
                "refused": cases - read,
                "refusals": {text: n for text, n in kinds.most_common(12) if n},
                "slowest_seconds": round(slowest, 3),
                "more_megabytes": round(largest, 1),
                "faults": faults,
            }
            assert largest < GIGABYTES * 1024, f"{name}: {largest:.0f} MiB more"
    return {"seed": seed, "readers": found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", help="All by default.")
    parser.add_argument("--cases", type=int, default=3000, help="Of each reader.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="Folder for the files that show a fault.")
    parser.add_argument("--out", type=Path, help="A JSON file, such as fuzz/readers.json.")
    arguments = parser.parse_args()
    unknown = set(arguments.readers) - set(READERS)
    if unknown:
        parser.error(f"no reader {', '.join(sorted(unknown))}; known: {', '.join(READERS)}")
    found = fuzz(arguments.readers or list(READERS), arguments.cases, arguments.seed, arguments.keep)
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    if any(reader["faults"] for reader in found["readers"].values()):
        raise SystemExit(1)

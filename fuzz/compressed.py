"""Damage compressed files in every way that comes to mind: each must be refused, quickly and in one line.

    python fuzz/compressed.py --mutants 100000 --seed 0

A mutant is a file with bits flipped, bytes changed, cut, doubled, inserted or taken from another file; of every second
one the checksum at the end is made right again, as an adversary would. Decoding it must raise a `ChainruleError`, or
give what was coded; in a second, and without a large allocation.
"""

import argparse
import io
import json
import random
import resource
import time
import zlib
from dataclasses import dataclass
from typing import Any

import torch

import chainrule as cr
from chainrule.coding.streams import compress_stream, decompress_stream
from chainrule.domain.column import Column
from chainrule.models import tiny_model

SECONDS = 1.0
MEGABYTES = 256  # above what the process holds before the first mutant


@dataclass
class Sample:
    """A compressed file and what it holds."""

    model: Any
    blob: bytes
    content: Any
    stream: bool = False

    def same(self, blob: bytes) -> bool:
        """Whether what is decoded is what was coded.

        Raises:
            ChainruleError: if it cannot be decoded.
        """
        if self.stream:
            target = io.BytesIO()
            decompress_stream(self.model, io.BytesIO(blob), target)
            return target.getvalue() == self.content
        x = cr.decompress(self.model, blob)
        return torch.equal(x.nan_to_num(-9.0), self.content.nan_to_num(-9.0))


def samples() -> list[Sample]:
    """Files of every kind, by models of no weight."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    children = Column("children", "integer", missing=True)
    domains = {
        "made": cr.Domain.binary(6),
        "independent": cr.Domain.image(1, 2, 3, levels=3),
        "count-table": cr.Domain.sequence(3, 2, width=2, lengths="given"),
        "nade": cr.Domain.table((children, Column("sex", "categorical", ("f", "m")))),
    }
    found = []
    for name, domain in domains.items():
        model = tiny_model(name, domain).eval()
        x = model.sample(20, generator=generator)
        if domain.columns:
            x[::4, 0] = torch.nan
        if domain.lengths == "given":
            x[::3, 1:] = -1
        found.append(Sample(model, cr.compress(model, x), x))
    model = tiny_model("gru", cr.Domain.sequence(4, 256)).eval()
    content, target = b"to be or not to be", io.BytesIO()
    compress_stream(model, io.BytesIO(content), target)
    found.append(Sample(model, target.getvalue(), content, stream=True))
    return found


def mutate(blob: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One mutant."""
    data = bytearray(blob)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        kind, place = chance.randrange(8), chance.randrange(len(data) or 1)
        if kind == 0 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and data:
            data[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            del data[place : place + chance.randrange(1, 9)]
        elif kind == 4:
            data[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 5:
            data[place:place] = data[place : place + chance.randrange(1, 40)]
        elif kind == 6:
            other = chance.choice(others)
            data[place:] = other[chance.randrange(len(other)) :]
        else:  # a number of the header or of a block that is as large as can be
            data[place : place + 1] = b"\xff" * chance.randrange(1, 9) + b"\x01"
    if chance.random() < 0.5 and len(data) > 4:
        data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "little")
    return bytes(data)


def fuzz(mutants: int, seed: int) -> dict:
    """Try so many mutants; what became of them.

    Raises:
        AssertionError: on wrong data, an error of another kind, or one that takes too long or too much memory.
    """
    chance, files = random.Random(seed), samples()
    blobs = [sample.blob for sample in files]
    assert all(sample.same(sample.blob) for sample in files)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest, refused, unchanged = 0.0, {}, 0
    for _ in range(mutants):
        sample = chance.choice(files)
        blob = mutate(sample.blob, blobs, chance)
        start = time.process_time()
        try:
            same = sample.same(blob)
        except cr.errors.ChainruleError as error:
            text = " ".join(str(error).split()[:4])
            refused[text] = refused.get(text, 0) + 1
            assert "\n" not in str(error)
        else:
            assert same, f"wrong data: {blob.hex()} of {sample.blob.hex()}"
            unchanged += 1
        slowest = max(slowest, time.process_time() - start)
        assert slowest < SECONDS, f"{slowest:.1f} s: {blob.hex()}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES, f"{grown:.0f} MiB more"
    return {
        "mutants": mutants,
        "seed": seed,
        "refused": dict(sorted(refused.items(), key=lambda item: -item[1])),
        "unchanged": unchanged,
        "slowest_seconds": round(slowest, 3),
        "more_megabytes": round(grown, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    print(json.dumps(fuzz(**vars(parser.parse_args())), indent=2))

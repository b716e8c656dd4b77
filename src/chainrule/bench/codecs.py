"""General compressors, each at its best: sizes and seconds. Those that are not installed are left out, by name."""

from __future__ import annotations

import bz2
import lzma
import time
import zlib
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa

from chainrule.bench.programs import packed

ORDERS = range(2, 17)  # of PPMd, the best of which is taken
MEMORY = 64 << 20  # bytes of PPMd's model


def _ppmd(raw: bytes) -> int:
    import pyppmd

    def size(order: int) -> int:
        encoder = pyppmd.Ppmd8Encoder(order, MEMORY, 0)
        return len(encoder.encode(raw) + encoder.flush())

    return min(map(size, ORDERS))


def _zpaq(raw: bytes) -> int:
    command = ("zpaq", "add", "{packed}", "{source}", "-m5", "-t1")
    return packed(command, lambda path: path.write_bytes(raw), "", ".zpaq")


def _brotli(raw: bytes) -> int:
    if not pa.Codec.is_available("brotli"):
        raise ImportError("no brotli in pyarrow")
    return len(pa.Codec("brotli", compression_level=11).compress(raw, asbytes=True))


CODECS: dict[str, Callable[[bytes], int]] = {
    "gzip -9": lambda raw: len(zlib.compress(raw, 9)),
    "bzip2 -9": lambda raw: len(bz2.compress(raw, 9)),
    "xz -9e": lambda raw: len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
    "zstd -19": lambda raw: len(pa.Codec("zstd", compression_level=19).compress(raw, asbytes=True)),
    "brotli -q 11": _brotli,
    "PPMd, best of orders 2–16": _ppmd,
    "zpaq -m5": _zpaq,
}


def general(*forms: bytes, names: Collection[str] = CODECS.keys()) -> dict[str, dict[str, float]]:
    """The "bytes" and "seconds" by each compressor that is there.

    Args:
        forms: of what is compressed; the one that a compressor makes smallest counts.
        names: of compressors.
    """
    sizes: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for name in names:
        try:
            sizes[name], seconds[name] = min(timed(CODECS[name], raw) for raw in forms)
        except ImportError:
            continue
    return {"bytes": sizes, "seconds": seconds}


def timed(code: Callable[[Any], int], source: Any) -> tuple[int, float]:
    """The bytes that a codec makes of a source, and the seconds that it takes."""
    start = time.perf_counter()
    return code(source), time.perf_counter() - start


def absent(names: Collection[str] = CODECS.keys()) -> dict[str, str]:
    """Compressors of these names that are not there, and why."""
    found = {}
    for name in names:
        code = CODECS[name]
        try:
            code(b"")
        except ImportError as reason:
            found[name] = str(reason)
    return found

"""General compressors, each at its best: sizes and seconds. Those that are not installed are left out, by name."""

from __future__ import annotations

import bz2
import lzma
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable

import pyarrow as pa

from chainrule.files import scratch

ORDERS = range(2, 17)  # of PPMd, the best of which is taken
MEMORY = 64 << 20  # bytes of PPMd's model


def _ppmd(raw: bytes) -> int:
    import pyppmd

    def size(order: int) -> int:
        encoder = pyppmd.Ppmd8Encoder(order, MEMORY, 0)
        return len(encoder.encode(raw) + encoder.flush())

    return min(map(size, ORDERS))


def _zpaq(raw: bytes) -> int:
    if shutil.which("zpaq") is None:
        raise ImportError("no program zpaq")
    with scratch() as folder:
        source, packed = folder / "source", folder / "packed.zpaq"
        source.write_bytes(raw)
        command = ["zpaq", "add", str(packed), str(source), "-m5", "-t1"]
        subprocess.run(command, check=True, capture_output=True)
        return packed.stat().st_size


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


def general(raw: bytes) -> dict[str, dict[str, float]]:
    """The "bytes" and "seconds" by each compressor that is there.

    Args:
        raw: what is compressed.
    """
    sizes: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for name, code in CODECS.items():
        start = time.perf_counter()
        try:
            sizes[name] = code(raw)
        except ImportError:
            continue
        seconds[name] = time.perf_counter() - start
    return {"bytes": sizes, "seconds": seconds}


def absent() -> dict[str, str]:
    """Compressors that are not there, and why."""
    found = {}
    for name, code in CODECS.items():
        try:
            code(b"")
        except ImportError as reason:
            found[name] = str(reason)
    return found

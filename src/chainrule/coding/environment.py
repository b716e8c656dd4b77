"""What must be the same when a file is written and when it is read: model, runner, versions, processor."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from chainrule.domain.column import Column
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError, CodeError
from chainrule.models import Model

RUNNERS = ("eager", "native")
PORTABLE = "portable"  # the arithmetic of docs/reference/format.md, which any runner has on any machine
REVISION = 1  # of it
PACKAGES = ("chainrule", "torch", "constriction", "numba")
DIGEST = 8  # bytes of SHA-256

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Arithmetic:
    """Whose last bits a file relies on.

    Attributes:
        runner: of `RUNNERS`, which runs a block on one thread, whatever number of threads there is; or `PORTABLE`,
            which is the same everywhere.
        versions: of `PACKAGES`, that of numba (0, 0, 0) for eager steps; none of portable arithmetic.
        processor: 16 bits of a checksum of its name and of what it can do; of portable arithmetic its revision.
    """

    runner: str
    versions: tuple[Version, ...]
    processor: int

    @property
    def portable(self) -> bool:
        """Whether any machine has it."""
        return self.runner == PORTABLE

    @classmethod
    def here(cls, runner: str) -> Arithmetic:
        """The environment of this process.

        Raises:
            ChainruleError: on a runner that files do not know.
        """
        if runner == PORTABLE:
            return cls(PORTABLE, (), REVISION)
        if runner not in RUNNERS:
            raise ChainruleError(f"runner: expected {' or '.join(RUNNERS)}, got {runner!r}")
        names = PACKAGES if runner == "native" else PACKAGES[:-1]
        versions = [_version(name) for name in names] + [(0, 0, 0)] * (len(PACKAGES) - len(names))
        return cls(runner, tuple(versions), zlib.crc32(_processor(runner).encode()) & 0xFFFF)

    def check(self) -> None:
        """Refuse to go on where numbers may differ in a last bit.

        Raises:
            CodeError: naming the first difference.
        """
        here = Arithmetic.here(self.runner)
        if self.portable and self.processor != here.processor:
            raise CodeError(f"coded in portable arithmetic {self.processor}, expected {here.processor}")
        for name, theirs, ours in zip(
            PACKAGES[: len(self.versions)], self.versions, here.versions, strict=True
        ):
            if theirs != ours:
                theirs_, ours_ = (".".join(map(str, version)) for version in (theirs, ours))
                raise CodeError(f"coded with {name} {theirs_}, expected {ours_} as it is here")
        if self.processor != here.processor:
            raise CodeError(f"coded on another kind of processor than this one ({_processor(self.runner)})")


def digest_of(model: Model, portable: bool = False) -> bytes:
    """The digest of what identifies a model: name, domain, columns, ordering and weights.

    Args:
        model: of any kind.
        portable: whether tables count that a model computes when it is made, such as rotary angles: torch's functions
            may give others elsewhere, which are refused before anything is decoded.
    """
    columns = [[c.name, c.kind, list(c.categories), c.missing, *_support(c)] for c in model.domain.columns]
    order = model.factorisation.ordering.variables.tolist()
    card = [model.name or type(model).__name__, str(model.domain), columns, order]
    digest = hashlib.sha256(json.dumps(card, default=str).encode())
    tensors = model.state_dict()
    if portable:
        tensors |= {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
    for name, tensor in sorted(tensors.items()):
        if name.endswith("head.offset") and not tensor.any():
            continue  # of a model of an earlier version, whose digest is that of then
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()[:DIGEST]


def _support(column: Column) -> list:
    """What else a column says; nothing of the kinds that earlier versions had, whose digests are those of then."""
    if column.kind != "number" and not column.other:
        return []
    return [column.other, column.step, column.lattices, column.points, *column.ends]


@contextmanager
def repeatable(model: Model) -> Iterator[None]:
    """Exact arithmetic on one thread: another number of threads splits sums in another way, and rounds them so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with exact_arithmetic(model):
            yield
    finally:
        torch.set_num_threads(before)


def _version(package: str) -> Version:
    if package == "chainrule":
        from chainrule._version import __version__ as text
    elif package == "torch":
        text = torch.__version__
    else:
        text = importlib.metadata.version(package)
    numbers = [int(number) for number in re.findall(r"\d+", text.split("+")[0])[:3]]
    a, b, c = [*numbers, 0, 0, 0][:3]
    return a, b, c


def _processor(runner: str) -> str:
    name = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if runner == "native":
        from llvmlite import binding

        name = f"{name} {binding.get_host_cpu_name()}"
    return name

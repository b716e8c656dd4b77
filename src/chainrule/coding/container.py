"""The file: a header, blocks, and a checksum of all bytes before it. docs/reference/format.md describes every byte."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from chainrule.coding.block import Block
from chainrule.coding.environment import DIGEST, PACKAGES, PORTABLE, RUNNERS, Arithmetic
from chainrule.domain import LAYOUTS, Domain
from chainrule.domain.lengths import LENGTHS
from chainrule.errors import CodeError

MAGIC, VERSION = b"\x89CHR", 4
# Bytes are mixed in one way in format 1, in another one in 2 and 3. From 3 on the source is described, and which files
# are executable. Format 4 has portable arithmetic.
READABLE, TELLING, ANYWHERE = (1, 2, 3, VERSION), 3, 4
KINDS = ("items", "file", "folder", "sound", "text")
RANKS = 4  # of event shapes: 0 to 3 numbers
CHECK = 4  # bytes of a CRC-32
PART = 1 << 20  # bytes read at once
MOST_VARINT = 10  # bytes, for 64 bits
DAMAGED = "truncated or altered"


@dataclass(frozen=True)
class Header:
    """What stands before the blocks.

    Attributes:
        kind: of `KINDS`.
        digest: of the model.
        domain: of its items, in brief: layout, lengths and rank in one number, event shape, levels (0 for no single
            number).
        arithmetic: what it was coded with.
        cond: CRC-32 of a condition that is not in the file; 0 if there is none.
        rate: of a sound, in Hz; 0 of others.
        version: of the format.
        about: the description of the source; see `chainrule.coding.about`.
    """

    kind: str
    digest: bytes
    domain: tuple[int, ...]
    arithmetic: Arithmetic
    cond: int = 0
    rate: int = 0
    version: int = VERSION
    about: bytes = b""

    def to_bytes(self) -> bytes:
        """The bytes of the header."""
        numbers = [*self.domain, *(number for version in self.arithmetic.versions for number in version)]
        numbers += [self.arithmetic.processor, self.cond, self.rate]
        known = [*RUNNERS, PORTABLE] if self.version >= ANYWHERE else RUNNERS
        kind = KINDS.index(self.kind) * len(known) + known.index(self.arithmetic.runner)
        start = MAGIC + bytes([self.version, kind]) + self.digest
        about = varint(len(self.about)) + self.about if self.version >= TELLING else b""
        return start + b"".join(map(varint, numbers)) + about


def brief(domain: Domain) -> tuple[int, ...]:
    """A domain as the header describes it; what it leaves out, such as columns, is in the model's digest."""
    levels = domain.levels if isinstance(domain.levels, int) and not domain.columns else 0
    kind = LAYOUTS.index(domain.layout) + len(LAYOUTS) * LENGTHS.index(domain.lengths)
    return RANKS * kind + len(domain.event_shape), *domain.event_shape, levels


class Writer:
    """Writes a file from its first byte to its last.

    Args:
        stream: takes bytes.
        header: the file's.
    """

    def __init__(self, stream: BinaryIO, header: Header) -> None:
        self._stream, self._crc, self._chain, self.size = stream, 0, 0, 0
        self._write(header.to_bytes())
        self._chain = self._crc

    def block(self, block: Block) -> None:
        """One more block; its check goes on from that of the block before, so that none can stand elsewhere."""
        self._chain = zlib.crc32(block.check.to_bytes(CHECK, "little"), self._chain)
        bounds = [zigzag(number) for pair in block.bounds for number in pair]
        numbers = b"".join(map(varint, [block.rows, *bounds, len(block.payload)]))
        self._write(numbers + self._chain.to_bytes(CHECK, "little") + block.payload)

    def close(self) -> None:
        """The end: no more rows, the check that holds for all blocks, and the checksum."""
        self._write(varint(0) + self._chain.to_bytes(CHECK, "little"))
        self._write(self._crc.to_bytes(CHECK, "little"))

    def _write(self, content: bytes) -> None:
        self._crc = zlib.crc32(content, self._crc)
        self.size += len(content)
        self._stream.write(content)


class Reader:
    """Reads a file whose checksum is right; every number is held against its limits before it is used.

    Args:
        stream: the file, from where it is to be read on; it must be seekable.
        columns: of whole numbers in a row, each of which has bounds in every block.

    Raises:
        CodeError: if it is no such file, of a newer version, truncated or altered.
    """

    def __init__(self, stream: BinaryIO, columns: int = 0) -> None:
        self._stream, self._columns = stream, columns
        self._left = _check_whole(stream)
        start = self._take(len(MAGIC) + 2)
        if start[: len(MAGIC)] != MAGIC:
            raise CodeError("expected a file of `chainrule compress`, got something else")
        if start[-2] not in READABLE:
            raise CodeError(f"written in format {start[-2]}, expected {' or '.join(map(str, READABLE))}")
        known = [*RUNNERS, PORTABLE] if start[-2] >= ANYWHERE else RUNNERS
        if start[-1] >= len(KINDS) * len(known):
            raise CodeError(DAMAGED)
        kind, runner = KINDS[start[-1] // len(known)], known[start[-1] % len(known)]
        digest = self._take(DIGEST)
        code = self._varint()
        domain = (code, *[self._varint() for _ in range(code % RANKS + 1)])
        own = () if runner == PORTABLE else PACKAGES
        versions = tuple((self._varint(), self._varint(), self._varint()) for _ in own)
        arithmetic = Arithmetic(runner, versions, self._varint(0xFFFF))
        cond, rate = self._varint(2**32 - 1), self._varint(2**32)
        about = self._take(self._varint(self._left)) if start[-2] >= TELLING else b""
        self.header = Header(kind, digest, domain, arithmetic, cond, rate, start[-2], about)
        self._chain = zlib.crc32(self.header.to_bytes())

    def blocks(self, most: int) -> Iterator[Block]:
        """The blocks, each of at most `most` rows; the `check` of each is that of the file, to be given to `agree`.

        Raises:
            CodeError: if one is out of its limits, or data follow the last.
        """
        last = self._chain
        while rows := self._varint(most):
            bounds = []
            for _ in range(self._columns):
                low, high = unzigzag(self._varint()), unzigzag(self._varint())
                if not -(2**54) <= low <= high <= 2**54:
                    raise CodeError(DAMAGED)
                bounds.append((low, high))
            size = self._varint(self._left)
            check = int.from_bytes(self._take(CHECK), "little")
            last = check
            yield Block(rows, tuple(bounds), self._take(size), check)
        if self._take(CHECK) != last.to_bytes(CHECK, "little") or self._left:
            raise CodeError(DAMAGED)

    def agree(self, block: Block, check: int) -> None:
        """See that what was decoded of a block is what was encoded; asked for one block after the other.

        Raises:
            CodeError: if not.
        """
        self._chain = zlib.crc32(check.to_bytes(CHECK, "little"), self._chain)
        if self._chain != block.check:
            raise CodeError("the decoded items differ from those that were coded: the file was altered, or this "
                            "machine's arithmetic differs")  # fmt: skip

    def _take(self, size: int) -> bytes:
        if size > self._left:
            raise CodeError(DAMAGED)
        self._left -= size
        return self._stream.read(size)

    def _varint(self, most: int = 2**64 - 1) -> int:
        value = 0
        for place in range(MOST_VARINT):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if value > most or (place and not byte):  # a number has one spelling
                    break
                return value
        raise CodeError(DAMAGED)


def varint(number: int) -> bytes:
    """A whole number ≥ 0 as LEB128: seven bits per byte, little-endian; the high bit says that more follow."""
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def zigzag(number: int) -> int:
    """0, -1, 1, -2, … → 0, 1, 2, 3, …."""
    return 2 * number if number >= 0 else -2 * number - 1


def unzigzag(code: int) -> int:
    """The inverse of `zigzag`."""
    return -(code + 1) // 2 if code % 2 else code // 2


def _check_whole(stream: BinaryIO) -> int:
    """Hold the last four bytes against the checksum of the others; how many others there are."""
    start, end = stream.tell(), stream.seek(0, io.SEEK_END)
    stream.seek(start)
    left = end - start - CHECK
    if left < len(MAGIC):
        raise CodeError("expected a file of `chainrule compress`, got too few bytes")
    first, value, rest = True, 0, left
    while rest:
        part = stream.read(min(PART, rest))
        if not part:
            raise CodeError(DAMAGED)
        if first and not part.startswith(MAGIC):
            raise CodeError("expected a file of `chainrule compress`, got something else")
        first, value, rest = False, zlib.crc32(part, value), rest - len(part)
    if value != int.from_bytes(stream.read(CHECK), "little"):
        raise CodeError(f"{DAMAGED}: its checksum does not match")
    stream.seek(start)
    return left

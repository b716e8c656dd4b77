"""The bytes of one block ↔ a payload."""

from __future__ import annotations

import numpy as np

from chainrule.coding.mixing import kernel
from chainrule.coding.mixing.memory import CHUNK, allocate, run
from chainrule.errors import CodeError

BYTES = kernel.STATE // 8  # of the coder's interval


class ByteCoder:
    """Codes the bytes of a block in rows that go on in step: byte t of every row before byte t + 1 of any.

    Args:
        symbols: how many bytes.
        length: of a row; the last one may be shorter.
        payload: to be decoded; None to encode.
        model: whether each call of `code` brings a model's numbers.
    """

    def __init__(self, symbols: int, length: int, payload: bytes | None, *, model: bool) -> None:
        self._length, self._payload, self._written = length, payload, bytearray()
        self._memory = allocate(symbols, -(-symbols // length), payload, model)

    def code(self, t: int, values: np.ndarray | None, model: np.ndarray | None = None) -> np.ndarray:
        """Byte t of every row.

        Args:
            t: each once, in order.
            values: (B,) bytes of the rows that have one, to encode; None to decode.
            model: (B, 256) int32 above 0, of every row; None without a model.

        Returns:
            These bytes (B,) uint8.
        """
        if model is not None:
            self._memory.model[:] = model.ravel()
        return self._run(t, t + 1, values)

    def code_all(self, values: np.ndarray | None) -> np.ndarray:
        """All bytes of the only row (n,) uint8, without a model; `values` is None to decode."""
        parts = []
        for first in range(0, self._length, CHUNK):
            last = min(first + CHUNK, self._length)
            parts.append(self._run(first, last, None if values is None else values[first:last]))
        return np.concatenate(parts)

    def finish(self) -> bytes:
        """The payload, with as few bytes at its end as name a number in the interval.

        Raises:
            CodeError: if another one was decoded.
        """
        low, high = (int(self._memory.coder[i]) for i in (kernel.LOW, kernel.HIGH))
        for size in range(BYTES + 1):
            rest = kernel.STATE - 8 * size
            end = -(-low >> rest)
            if end << rest <= high:
                break
        last = end.to_bytes(size, "big")
        if self._payload is None:
            return bytes(self._written) + last
        start = int(self._memory.coder[kernel.PLACE]) - BYTES
        if self._payload[start:] != last or start > len(self._payload):
            raise CodeError("payload: expected its end, got other bytes")
        return self._payload

    def _run(self, first: int, last: int, values: np.ndarray | None) -> np.ndarray:
        memory = self._memory
        if values is not None:
            memory.given[: len(values)] = values
        count = run(memory, first, last, self._length, values is None)
        place = int(memory.coder[kernel.PLACE])
        if self._payload is None:
            self._written += memory.payload[:place].tobytes()
            memory.coder[kernel.PLACE] = 0
        return memory.given[:count].copy()

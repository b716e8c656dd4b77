"""Symbols ↔ bytes: constriction's range coder, given the probabilities of every symbol."""

from __future__ import annotations

from typing import Protocol

import constriction
import numpy as np
import torch
from torch import Tensor

from chainrule.errors import ChainruleError, CodeError

WORD = 4  # bytes: the coder emits 32 bits at a time
# A table of K probabilities p becomes whole numbers n with sum 2^24, n_k > p_k (2^24 - K) and n_k ≥ 1: no symbol costs
# more than K / (2^24 - K) nats above -log p, and none more than 24 bits.
PRECISION = 24
_TABLES = constriction.stream.model.Categorical(perfect=False)


class Coder(Protocol):
    """One of two directions; what it is asked for is the same in both."""

    def code(self, probabilities: Tensor, symbols: Tensor | None) -> Tensor:
        """The next n symbols, one after another.

        Args:
            probabilities: (n, K) float64, of each; they need not sum to 1.
            symbols: (n,) in 0 … K-1, which the encoder takes and the decoder does not read.

        Returns:
            The symbols (n,) int64.
        """


class Encoder:
    """Symbols → bytes.

    Args:
        portable: whether tables are made whole numbers here, and not by constriction.
    """

    def __init__(self, portable: bool = False) -> None:
        self._table = _weights if portable else _checked
        self._range = constriction.stream.queue.RangeEncoder()

    def code(self, probabilities: Tensor, symbols: Tensor | None) -> Tensor:
        """Write them."""
        assert symbols is not None
        if probabilities.shape[1] > 1 and len(symbols):
            self._range.encode(symbols.numpy().astype(np.int32), _TABLES, self._table(probabilities))
        return symbols

    def finish(self) -> bytes:
        """What was written: at most 8 bytes more than Σ log2 1/p / 8."""
        return self._range.get_compressed().astype("<u4").tobytes()


class Decoder:
    """Bytes → symbols.

    Args:
        payload: of an encoder.
        portable: as of the encoder.

    Raises:
        CodeError: if the bytes are not whole words.
    """

    def __init__(self, payload: bytes, portable: bool = False) -> None:
        self._table = _weights if portable else _checked
        if len(payload) % WORD:
            raise CodeError(f"payload: expected words of {WORD} bytes, got {len(payload)} bytes")
        self._range = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, "<u4").astype(np.uint32))

    def code(self, probabilities: Tensor, symbols: Tensor | None = None) -> Tensor:
        """Read one symbol for each row of probabilities."""
        if probabilities.shape[1] == 1 or not len(probabilities):
            return torch.zeros(len(probabilities), dtype=torch.int64)
        try:
            found = self._range.decode(_TABLES, self._table(probabilities))
        except AssertionError as error:  # constriction's, on words that no encoder writes
            raise CodeError("payload: not a valid code") from error
        return torch.from_numpy(found).long()

    def finish(self) -> None:
        """See that nothing is left.

        Raises:
            CodeError: if something is.
        """
        if not self._range.maybe_exhausted():
            raise CodeError("payload: expected the end, got further bytes")


def _checked(probabilities: Tensor) -> np.ndarray:
    if not torch.isfinite(probabilities.sum()):
        raise ChainruleError("the model gives no probabilities: some of its numbers are NaN")
    return probabilities.contiguous().numpy()


def _weights(probabilities: Tensor) -> np.ndarray:
    """(n, K) → whole numbers ≥ 0 that sum to 2^24 - K in each row: by the format's rule, in its order of additions.

    constriction adds one to each. It scales a row by (2^24 - K) over its sum, which is exactly 1 here.
    """
    p = _checked(probabilities)
    room = float((1 << PRECISION) - p.shape[1])
    below = np.add.accumulate(p, axis=1)
    whole = np.minimum(np.floor(below * (room / below[:, -1:])), room)
    whole[:, -1] = room
    return np.diff(whole, axis=1, prepend=0.0)

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
    """Symbols → bytes."""

    def __init__(self) -> None:
        self._range = constriction.stream.queue.RangeEncoder()

    def code(self, probabilities: Tensor, symbols: Tensor | None) -> Tensor:
        """Write them."""
        assert symbols is not None
        if probabilities.shape[1] > 1 and len(symbols):
            self._range.encode(symbols.numpy().astype(np.int32), _TABLES, _checked(probabilities))
        return symbols

    def finish(self) -> bytes:
        """What was written: at most 8 bytes more than Σ log2 1/p / 8."""
        return self._range.get_compressed().astype("<u4").tobytes()


class Decoder:
    """Bytes → symbols.

    Raises:
        CodeError: if the bytes are not whole words.
    """

    def __init__(self, payload: bytes) -> None:
        if len(payload) % WORD:
            raise CodeError(f"payload: expected words of {WORD} bytes, got {len(payload)} bytes")
        self._range = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, "<u4").astype(np.uint32))

    def code(self, probabilities: Tensor, symbols: Tensor | None = None) -> Tensor:
        """Read one symbol for each row of probabilities."""
        if probabilities.shape[1] == 1 or not len(probabilities):
            return torch.zeros(len(probabilities), dtype=torch.int64)
        try:
            found = self._range.decode(_TABLES, _checked(probabilities))
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

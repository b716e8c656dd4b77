"""Texts as the tokens of a published tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.writing import SPARE, Writing
from chainrule.errors import DataError, optional_import
from chainrule.files import read_text

MOST_BYTES, MOST_TOKENS = 2**26, 2**22


class Tokens(Writing):
    """A level is a token of a byte-level tokenizer: one or more bytes, such as those of a word and the space before it.

    A text has many sequences of tokens that stand for it, and a model spreads the text's probability over all of them.
    What is scored is the one sequence that the tokenizer gives: a lower bound of the probability of the text.

    Args:
        description: the content of tokenizer.json.
        where: the file, for messages.

    Attributes:
        where, description: as given.
        checksum: of the description.

    Raises:
        DataError: if it describes no byte-level tokenizer.

    References:
        Sennrich, Haddow, Birch (2016), "Neural machine translation of rare words with subword units",
        https://arxiv.org/abs/1508.07909; Radford et al. (2019), "Language models are unsupervised multitask learners",
        §2.2 (of bytes)
    """

    unit = "tokens"

    def __init__(self, description: str, where: str) -> None:
        self.where, self.description, self._tokenizer = where, description, None
        self.checksum = f"sha256:{hashlib.sha256(description.encode()).hexdigest()}"
        self._pieces = _pieces(description, where)
        self.size = len(self._pieces)

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """Read tokenizer.json.

        Raises:
            DataError: if it is missing, or describes no byte-level tokenizer.
        """
        try:
            return cls(read_text(path, MOST_BYTES), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not readable ({error})") from error

    def levels(self, text: str) -> np.ndarray:
        """The tokens (T,) of a text.

        Raises:
            DataError: if they do not stand for exactly this text, as where a tokenizer changes its characters.
            MissingExtraError: if `tokenizers` is not installed.
        """
        found = np.array(self._encoder().encode(text, add_special_tokens=False).ids, np.int64)
        written, back = text.encode(), self.content(found)
        if back != written:
            pairs = zip(written, back, strict=False)
            at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(written), len(back)))
            raise DataError(
                f"its tokens do not give the text back: byte {at} and what follows was {written[at : at + 12]!r}, "
                f"comes back as {back[at : at + 12]!r}"
            )
        return found

    def content(self, levels: Sequence[int] | np.ndarray) -> bytes:
        """Their bytes; a level without a token is U+FFFD."""
        spare, size = SPARE.encode(), self.size
        return b"".join(
            self._pieces[level] if 0 <= level < size else spare for level in np.asarray(levels).tolist()
        )

    def sizes(self, levels: np.ndarray) -> np.ndarray:
        """The bytes that each level (…) stands for, int64 (…); none where there is no token, such as -1."""
        lengths = np.array([*map(len, self._pieces), 0], np.int64)
        there = (levels >= 0) & (levels < self.size)
        return lengths[np.where(there, levels, self.size)]

    def _encoder(self) -> Any:
        if self._tokenizer is None:
            tokenizers = optional_import("tokenizers", "hub")
            try:
                tokenizer = tokenizers.Tokenizer.from_str(self.description)
            except Exception as error:  # a bare one, whatever is wrong
                raise DataError(f"{self.where}: not readable by tokenizers ({error})") from error
            tokenizer.no_padding()
            tokenizer.no_truncation()
            self._tokenizer = tokenizer
        return self._tokenizer


def _pieces(description: str, where: str) -> list[bytes]:
    """The bytes of each token.

    Raises:
        DataError: if the description is no JSON, or one of another kind of tokenizer.
    """
    try:
        found = json.loads(description)
        decoder, model, added = found["decoder"], found["model"]["vocab"], found.get("added_tokens") or []
        kind = decoder["type"] if isinstance(decoder, dict) else decoder
        if kind != "ByteLevel" or not isinstance(model, dict):
            raise DataError(
                f"{where}: decoder: expected ByteLevel, whose tokens are bytes, got {str(kind)[:40]!r}"
            )
        tokens = {number: _bytes_of(token) for token, number in model.items()}
        tokens |= {token["id"]: token["content"].encode() for token in added}
        numbers = tokens.keys()
        if not all(type(number) is int and 0 <= number < MOST_TOKENS for number in numbers):
            raise ValueError(f"expected tokens numbered from 0 to at most {MOST_TOKENS}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: expected a tokenizer as tokenizers saves it ({error!r})") from error
    return [tokens.get(number, SPARE.encode()) for number in range(max(numbers, default=-1) + 1)]


def _visible() -> dict[str, int]:
    """The character that stands for each byte: itself if it can be seen, else one beyond Latin-1; see GPT-2's code."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


VISIBLE = _visible()


def _bytes_of(token: str) -> bytes:
    if all(character in VISIBLE for character in token):
        return bytes(VISIBLE[character] for character in token)
    return token.encode()

"""What a file says of its source besides the coded symbols, such as names and types: a JSON object, deflated."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chainrule.coding.container import DAMAGED
from chainrule.errors import ChainruleError, CodeError

MOST = 1 << 26  # bytes of the JSON text


def pack(about: Mapping[str, Any]) -> bytes:
    """The bytes of the header; empty if there is nothing to describe.

    Raises:
        ChainruleError: if it is too long to be read again.
    """
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > MOST:
        raise ChainruleError(
            f"compress: names and labels take {len(text):,} bytes, expected at most {MOST:,}; compress it in parts"
        )
    return zlib.compress(text, 9) if about else b""


def unpack(content: bytes) -> dict[str, Any]:
    """The inverse of `pack`.

    Raises:
        CodeError: if it is no such object, or too long.
    """
    if not content:
        return {}
    with described():
        inflate = zlib.decompressobj()
        text = inflate.decompress(content, MOST)
        about = json.loads(text) if inflate.eof and not inflate.unused_data else None
    if not isinstance(about, dict):
        raise CodeError(DAMAGED)
    return about


@contextmanager
def described() -> Iterator[None]:
    """The description of a source is not trusted: any error in its use means that the file was altered.

    Raises:
        CodeError: in place of any error in the block that is not the library's own, or of the file system.
    """
    try:
        yield
    except (ChainruleError, OSError):
        raise
    except Exception as error:
        raise CodeError(f"{DAMAGED}: its description of the source is invalid") from error

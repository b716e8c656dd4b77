"""The bytes of a text file → its characters; what is not text is refused, with what to do."""

from __future__ import annotations

import codecs
import re
import unicodedata

from chainrule.errors import DataError

# By the mark at the start of a file. That of UTF-16 also begins that of UTF-32, which therefore comes first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
PLAIN = "UTF-8"
BYTES = "a model of bytes reads any file: --domain sequence:64:256"
HALF = re.compile("[\ud800-\udfff]")  # of a character
AROUND = 12  # characters that a message shows on both sides of the one in question
CONTROLS = 0.05  # share of control characters that no text has
LIKELY = 0.5  # share of letters, among what is not ASCII, that a text has


def decode_text(content: bytes, where: str, encoding: str | None = None) -> tuple[str, str]:
    """Decode a file by the mark at its start, else by the encoding that is named, else as UTF-8.

    Args:
        content: of the file.
        where: what messages call it.
        encoding: by Python's name.

    Returns:
        The text without a mark, and the name of the encoding it was read by.

    Raises:
        DataError: if it is not in this encoding, or no text; it names the first byte that is wrong and the way out.
    """
    for mark, codec, name in MARKS:
        if content.startswith(mark):
            return _text(_decoded(content, where, codec, name), where, name), name
    if encoding is not None:
        return _text(_decoded(content, where, encoding, encoding), where, encoding), encoding
    try:
        return _text(content.decode(), where, PLAIN), PLAIN
    except UnicodeDecodeError as error:
        at = error.start
    raise DataError(f"{where}: byte {at:,} (0x{content[at]:02X}) is not valid UTF-8; {_way_out(content, at)}")


def _decoded(content: bytes, where: str, codec: str, name: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeError as error:
        place = f"byte {error.start:,}" if isinstance(error, UnicodeDecodeError) else "some of it"
        raise DataError(
            f"{where}: {place} is not valid {name}; give another encoding with --encoding (encoding=…), or {BYTES}"
        ) from None


def _text(text: str, where: str, name: str) -> str:
    """Refuse what no text holds: NUL, and halves of characters, which some encodings let through."""
    if "\0" in text:
        at = text.index("\0")
        wide = _wide(text.encode("latin-1", "replace")) if name == PLAIN else None
        guess = f"it may be {wide} without a mark: --encoding {wide}; or " if wide else ""
        raise DataError(f"{where}: character {at:,} is NUL, which no text holds; {guess}{BYTES}")
    if half := HALF.search(text):
        raise DataError(
            f"{where}: character {half.start():,} of {name} is not Unicode; give another encoding with --encoding"
        )
    return text


def _way_out(content: bytes, at: int) -> str:
    """What the user may do about bytes that are not UTF-8."""
    wide = _wide(content)
    if wide:
        return f"it may be {wide} without a mark: --encoding {wide}"
    controls = sum(content.count(byte) for byte in range(32) if byte not in b"\t\n\f\r\x1b")
    if controls > CONTROLS * len(content):
        return f"it does not look like text; {BYTES}"
    try:
        around = content[max(0, at - AROUND) : at + AROUND].decode("cp1252")
        high = bytes(sorted({*content} - {*range(128)})).decode("cp1252")
    except UnicodeDecodeError:  # it leaves five bytes without a character
        return f"give its encoding with --encoding (encoding=…), or {BYTES}"
    letters = sum(unicodedata.category(character)[0] == "L" for character in high)
    sure = "as cp1252 it reads" if letters >= LIKELY * len(high) else "as cp1252 it would read"
    return f"{sure} {around!r}: if that is right, --encoding cp1252 (encoding='cp1252'), else give its own"


def _wide(content: bytes) -> str | None:
    """The encoding of 16 bits whose high bytes are mostly NUL, as those of Latin letters are."""
    half = len(content) / 2
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and content[first::2].count(0) > 0.7 * half and content[1 - first :: 2].count(0) < 0.1 * half:
            return name
    return None

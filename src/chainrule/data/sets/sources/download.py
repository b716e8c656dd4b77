"""Public files onto this machine: within a bound, going on where it stopped, whole by digest or not there."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from chainrule.data.limits import shown
from chainrule.data.sets.sources.source import Download
from chainrule.errors import DataError

CHUNK = 1 << 16
PATIENCE = 60.0  # seconds without a byte
BEYOND = 416  # the answer when nothing is left from the place asked for


def fetch(download: Download, folder: Path, mirror: str | None, tell: Callable[[int], None]) -> Path:
    """Download a file, or go on with one that was begun.

    Args:
        download: the file.
        folder: that it goes to; what is there of it ends in .part until it is whole.
        mirror: the address of a copy of the web, asked for HOST/PATH; or a folder with files of the same names.
        tell: is given the number of bytes that have come, again and again.

    Returns:
        Its path in the folder.

    Raises:
        DataError: if it cannot be downloaded, is larger than it should be, or has another digest.
    """
    path, part = folder / download.name, folder / f"{download.name}.part"
    if path.is_file():
        tell(path.stat().st_size)
        return path
    address = _address(download, mirror)
    try:
        _append(download, address, part, tell)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        kept = part.stat().st_size if part.exists() else 0
        raise DataError(
            f"{address}: cannot be downloaded ({reason}); try again to resume after {shown(kept)}, or get the file "
            f"elsewhere and name its folder: --mirror FOLDER"
        ) from error
    if download.sha256:
        with part.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != download.sha256:
            part.unlink()
            raise DataError(
                f"{address}: is a different file: expected SHA-256 {download.sha256}, got {found}"
            )
    part.replace(path)
    return path


def _address(download: Download, mirror: str | None) -> str:
    if not mirror:
        return download.url
    if "://" not in mirror:
        return str(Path(mirror).expanduser() / download.name)
    if not mirror.startswith(("http://", "https://")):
        raise DataError(f"mirror: expected an http or https address, or a folder, got {mirror!r}")
    return f"{mirror.rstrip('/')}/{download.url.removeprefix('https://')}"


def _append(download: Download, address: str, part: Path, tell: Callable[[int], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > download.most:
        have = 0
    with _open(address, have) as (stream, have, length), part.open("r+b" if have else "wb") as target:
        target.seek(have)
        target.truncate()
        whole = None if length is None else have + length
        _check(download, address, whole or 0)
        while chunk := stream.read(CHUNK):
            have += len(chunk)
            _check(download, address, have)
            target.write(chunk)
            tell(have)
    if have < (download.bytes if download.sha256 else whole or 0):
        raise OSError(f"it broke off after {shown(have)}")


def _check(download: Download, address: str, size: int) -> None:
    if size > download.most:
        raise DataError(
            f"{address}: is a different file: expected {shown(download.most)} at most, got {shown(size)}"
        )


@contextmanager
def _open(address: str, have: int) -> Iterator[tuple[IO[bytes], int, int | None]]:
    """A stream, how many bytes come before its first one, and how many come, if that is known."""
    if "://" not in address:
        with open(address, "rb") as file:
            yield file, 0, Path(address).stat().st_size
        return
    headers = {"User-Agent": "chainrule", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        answer = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code != BEYOND:
            raise
        error.close()
        del headers["Range"]
        answer = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=PATIENCE)
    with answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        length = answer.headers.get("Content-Length", "")
        yield answer, have if goes_on else 0, int(length) if length.isdecimal() else None

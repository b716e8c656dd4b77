"""`get_data`: a named set from its public source into the data folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from chainrule.data.raw import reading
from chainrule.data.sets.folder import data_folder
from chainrule.data.sets.named import NAMED, verify
from chainrule.data.sets.sources.catalogue import SOURCES
from chainrule.data.sets.sources.download import fetch
from chainrule.data.sets.sources.source import content_digest, write_content
from chainrule.errors import DataError, nearest
from chainrule.files import atomic_path
from chainrule.locks import lock

VARIABLE = "CHAINRULE_MIRROR"


def get_data(
    name: str,
    *,
    data_dir: str | Path | None = None,
    mirror: str | None = None,
    tell: Callable[[int], None] = lambda size: None,
) -> bool:
    """Get a named set from its public source, unless it is here.

    What was downloaded is kept in a hidden folder until the set is complete, so a call that was interrupted goes on
    where it stopped. Nothing that is downloaded is run, and pickles in it are not loaded.

    Args:
        name: of `list_data()`.
        data_dir: the data folder; see `data_folder`.
        mirror: see `fetch`; by default $CHAINRULE_MIRROR. Proxies are taken from $https_proxy, as everywhere.
        tell: is given the number of bytes that have come.

    Returns:
        Whether something was missing.

    Raises:
        DataError: if there is no such set, it cannot be downloaded, or differs from what is expected; if a file is in
            its place; if another process is getting it.
    """
    if name not in NAMED:
        raise DataError(f"data {name!r}: no named set; {nearest(name, SOURCES)}")
    entry, folder = NAMED[name], data_folder(data_dir)
    if not entry.file:
        return False
    missing = [file for file in entry.digests if not (folder / file).is_file()]
    for file in entry.digests:
        if file not in missing:
            verify(name, file, data_dir)
    if not missing:
        return False
    work = folder / f".get-{name}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with lock(work / "lock") as ours:
            if ours is False:
                raise DataError(f"{name}: another process is downloading it into {folder}; wait for it")
            _make(name, folder, missing, work, mirror or os.environ.get(VARIABLE), tell)
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    shutil.rmtree(work, ignore_errors=True)
    return True


def _make(
    name: str, folder: Path, missing: list[str], work: Path, mirror: str | None, tell: Callable[[int], None]
) -> None:
    source, before = SOURCES[name], 0
    paths: list[Path] = []

    def tell_total(size: int) -> None:
        tell(before + size)

    for download in source.downloads:
        paths.append(fetch(download, work, mirror, tell_total))
        before += paths[-1].stat().st_size
    try:
        with reading(f"{name}: what was downloaded"):
            made = source.make(paths)
        # The file that others belong to comes last: where it is, they are.
        for file in reversed(missing):
            with atomic_path(folder / file) as temporary:
                write_content(temporary, made[file])
                if file in source.contents and content_digest(temporary) != source.contents[file]:
                    raise DataError(f"{name}: the download gives a different {file} than expected")
            verify(name, file, folder)
    except DataError:
        for path, download in zip(paths, source.downloads, strict=True):
            if download.sha256 is None:  # it was not proved to be the right one
                path.unlink()
        raise

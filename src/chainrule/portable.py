"""A run in one file, `NAME.chainrule`: a zip of its parts, which is read as untrusted.

It holds text and safetensors under fixed names, each with its SHA-256, and nothing that could be run.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from chainrule._version import __version__
from chainrule.errors import ChainruleError, RunError
from chainrule.files import atomic_folder, atomic_path, user_cache
from chainrule.run_files import ABOUT, CARD, CONFIG, METRICS, NUMBERS, REFERENCE, TOKENIZER, WEIGHTS

SUFFIX, MANIFEST, FORMAT = ".chainrule", "chainrule.json", 1
NEEDED, TEXTS = (CARD, WEIGHTS, CONFIG), (CARD, CONFIG, METRICS, NUMBERS, ABOUT, TOKENIZER)
PARTS = (*TEXTS, WEIGHTS, REFERENCE)
MOST_BYTES = 2**26  # of a text
MOST_RATIO = 200  # of a text's size and its size in the file: what is larger was made to fill a disk
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same run gives the same bytes
HALF, KEPT = "bfloat16", "as trained"  # how the weights are stored


def write_package(folder: Path, path: Path, *, half: bool = False) -> None:
    """Write the parts of a run folder into one file.

    Args:
        folder: of the run.
        path: the file.
        half: whether weights in float32 are rounded to bfloat16, half the size; they are read as float32 again.

    Raises:
        RunError: if a part is missing that a run needs.
        ChainruleError: if the file cannot be written.
    """
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise RunError(f"{folder}: expected a run folder with {', '.join(NEEDED)}, found no {missing[0]}")
    parts = {name: (folder / name).read_bytes() for name in PARTS if (folder / name).is_file()}
    if half:
        parts[WEIGHTS] = _recast(parts[WEIGHTS], "float32", "bfloat16")
    about: dict[str, Any] = {"format": FORMAT, "chainrule": __version__, "weights": HALF if half else KEPT}
    about["sha256"] = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in {MANIFEST: (json.dumps(about, indent=1) + "\n").encode(), **parts}.items():
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if name in (MANIFEST, *TEXTS) else zipfile.ZIP_STORED
            archive.writestr(info, content)


def unpack(path: Path, folder: Path) -> None:
    """Make a run folder of a file.

    Raises:
        RunError: if it is no such file, is damaged, or holds anything but a run.
        ChainruleError: if there is something at `folder`, or it cannot be written.
    """
    parts = read_package(path)
    with atomic_folder(folder) as new:
        for name, content in parts.items():
            (new / name).write_bytes(content)


def read_package(path: Path, wanted: tuple[str, ...] = PARTS) -> dict[str, bytes]:
    """The parts of a run in a file: name → content.

    Args:
        path: the file.
        wanted: names of parts; those that are not in the file are passed over.

    Raises:
        RunError: if it is no such file, is damaged, or holds anything but a run.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _parts(path, archive, wanted)
    except RunError:
        raise
    # Whatever a damaged zip makes the parser meet: BadZipFile, zlib.error, EOFError, NotImplementedError, …
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise RunError(f"{path}: not a readable {SUFFIX} file ({reason})") from error


def _parts(path: Path, archive: zipfile.ZipFile, wanted: tuple[str, ...]) -> dict[str, bytes]:
    members = {info.filename: info for info in archive.infolist()}
    if MANIFEST not in members:
        raise RunError(f"{path}: expected a run as `chainrule pack` writes it, found no {MANIFEST} in it")
    wrong = [name for name in members if name not in (MANIFEST, *PARTS)]
    if wrong or len(members) != len(archive.infolist()):
        what = f"{wrong[0][:80]!r}" if wrong else "a part twice"
        raise RunError(f"{path}: holds {what}; expected {', '.join(PARTS)}, each once")
    for name, info in members.items():
        _check_size(path, name, info)
    about = _manifest(path, archive.read(MANIFEST))
    digests = about["sha256"]
    if missing := [name for name in NEEDED if name not in members]:
        raise RunError(f"{path}: holds no {missing[0]}; pack the run again")
    parts = {name: archive.read(name) for name in wanted if name in members}
    for name, content in parts.items():
        if digests.get(name) != hashlib.sha256(content).hexdigest():
            raise RunError(f"{path}: {name} is damaged: its SHA-256 is not the one in {MANIFEST}")
    if about.get("weights") == HALF and WEIGHTS in parts:
        parts[WEIGHTS] = _recast(parts[WEIGHTS], "bfloat16", "float32")
    return parts


def _check_size(path: Path, name: str, info: zipfile.ZipInfo) -> None:
    """Refuse what would take more memory than its file gives reason for."""
    stored = info.compress_type == zipfile.ZIP_STORED
    if name in (WEIGHTS, REFERENCE):
        fine = stored and info.file_size == info.compress_size
    else:
        fine = info.file_size <= min(MOST_BYTES, MOST_RATIO * (info.compress_size + 100))
    if not fine or info.flag_bits & 1:
        raise RunError(
            f"{path}: {name}: expected a part as `chainrule pack` stores it, got another; pack it again"
        )


def _manifest(path: Path, content: bytes) -> dict[str, Any]:
    about = json.loads(content)
    if not isinstance(about, dict) or not isinstance(about.get("sha256"), dict):
        raise RunError(f"{path}: {MANIFEST}: expected format, versions and digests, got something else")
    version = about.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise RunError(
            f"{path}: written by chainrule {about.get('chainrule')} in format {version}, this version reads up to "
            f"{FORMAT}; upgrade chainrule"
        )
    return about


def _recast(content: bytes, source: str, target: str) -> bytes:
    """Weights with all tensors of one type in another; `bytes` of a safetensors file, and again."""
    import torch
    from safetensors.torch import load, save

    of, to = getattr(torch, source), getattr(torch, target)
    return save({name: value.to(to) if value.dtype == of else value for name, value in load(content).items()})


def unpacked(path: Path, name: str | None = None) -> Path:
    """A run folder in the user's cache that holds what a file does; made once for each content of the file.

    Args:
        path: the file.
        name: begins the folder's; the file's own by default.

    Raises:
        RunError: if it is no such file, is damaged, or holds anything but a run.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    kept = f"{name or path.stem}-{digest}"
    with suppress(RuntimeError):  # there is no home
        folder = user_cache() / "runs" / kept
        if folder.is_dir():
            return folder
        try:
            unpack(path, folder)
        except RunError:
            raise
        except (
            ChainruleError
        ):  # a cache that cannot be written is done without; or another process was faster
            pass
        if folder.is_dir():
            return folder
    place = Path(tempfile.mkdtemp(prefix="chainrule-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    unpack(path, place / kept)
    return place / kept

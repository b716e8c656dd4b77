"""The compiled loop: loaded from disk in a fiftieth of a second, or compiled by a process of its own.

Only compiling needs numba. What it makes is an object file of some 200 kB, kept by source, versions and processor.
"""

from __future__ import annotations

import ctypes
import getpass
import logging
import os
import stat
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, user_cache
from chainrule.locks import lock

log = logging.getLogger(__name__)
HERE = Path(__file__).parent
SOURCES = (
    "instruction.py", "instructions.py", "portable_instructions.py", "interpreter.py", "opcodes.py",
    "../portable/formulas.py",
)  # fmt: skip
PATIENCE = 180.0  # seconds for which another process is awaited that compiles
BACKGROUND = """
import os
if hasattr(os, "nice"):
    os.nice(10)
from chainrule.engine.native import machine
machine.keep(0)
"""
UNUSED = "NRT_MemInfo_call_dtor"  # numba's destructor of arrays that it owns: the loop owns none

_loop: Any = None
_parts: list[Any] = []  # of the linked loop, which live as long as it is called
_loading = Lock()
_compiler: list[subprocess.Popen] = []  # at work in the background


def run(code: np.ndarray, starts: np.ndarray, clock: int, first: int, last: int) -> int:
    """Sites first … last-1: the instructions at `starts[t - first]`, with t at the address `clock`.

    Args:
        code, starts: contiguous int64.
        clock: the address of an int64.
        first, last: sites.

    Returns:
        The first site at which an index pointed outside of its tensor; -1 if none did.
    """
    call, result, error = _loop or load(), ctypes.c_int64(), ctypes.c_void_p()
    call(ctypes.byref(result), ctypes.byref(error), code.ctypes.data, starts.ctypes.data, clock, first, last)
    return result.value


def ready() -> bool:
    """Whether the loop is in memory or on disk, so that nobody waits for it."""
    return _loop is not None or find() is not None


def loaded() -> bool:
    """Whether the loop is in memory."""
    return _loop is not None


def load() -> Callable[..., int]:
    """The loop, which is compiled first where nobody has: that takes some 20 seconds.

    Raises:
        ImportError: if it is to be compiled, and numba is missing.
    """
    global _loop
    with _loading:
        if _loop is None:
            _loop = _linked(*_unpacked(_kept() or _made()))
        return _loop


def find() -> Path | None:
    """Where the loop lies compiled, for this processor and by these sources and versions."""
    return next((folder / _name() for folder in places() if (folder / _name()).is_file()), None)


def keep(patience: float = PATIENCE) -> Path | None:
    """Compile the loop, unless it is on disk; where it lies, None if no place can be written.

    Args:
        patience: seconds to wait for another process that is at it.

    Raises:
        ImportError: if numba is missing.
    """
    for folder in places():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with lock(folder / f"{_name()}.lock", patience):
                if find() is None:
                    data = _compiled()
                    with atomic_path(folder / _name()) as path:
                        path.write_bytes(data)
                return find()
        except (OSError, ChainruleError) as error:
            log.info("%s: the compiled loop cannot be kept there (%s)", folder, error)
    return None


def compile_soon() -> None:
    """Let another process compile the loop, at low priority; once a process, and only where it can be done and kept."""
    if _compiler or find() is not None or not sys.executable or not _has_numba():
        return
    paths = [str(HERE.parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    log.info("the native loop is compiled in the background; steps are eager until then")
    with suppress(OSError):
        _compiler.append(
            subprocess.Popen(
                [sys.executable, "-P", "-c", BACKGROUND],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        )


def places() -> Iterator[Path]:
    """Where the compiled loop is kept: in $NUMBA_CACHE_DIR, or beside its source, else in caches of the user."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
        return
    yield HERE / "__pycache__"
    with suppress(RuntimeError):  # there is no home
        yield user_cache()
    with suppress(OSError, KeyError):
        own = Path(tempfile.gettempdir()) / f"chainrule-{getpass.getuser()}"
        if _private(own):
            yield own


def _private(folder: Path) -> bool:
    """Whether a folder is not there yet, or is ours alone: others could lay their code into it."""
    if not hasattr(os, "getuid") or not folder.exists():
        return True
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


@cache
def _name() -> str:
    """The file's name, which changes with any line that is compiled, with LLVM and with the processor."""
    value = 0
    for path in sorted([*(HERE / name for name in SOURCES), *HERE.glob("kernels/*.py")]):
        value = zlib.crc32(path.read_bytes(), value)
    features = llvm.get_host_cpu_features().flatten() if llvm.get_host_cpu_features() else ""
    about = f"{llvmlite.__version__} {llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"
    return f"loop-{value:08x}-{zlib.crc32(about.encode()):08x}.bin"


@cache
def _has_numba() -> bool:
    from importlib.util import find_spec

    return find_spec("numba") is not None


def _made() -> bytes:
    """The loop compiled now, and kept if a place can be written."""
    keep()
    return _kept() or _compiled()


def _kept() -> bytes | None:
    """What lies on disk; what is damaged is removed."""
    path = find()
    if path is None:
        return None
    with suppress(OSError):
        data = path.read_bytes()
        if len(data) > 4 and zlib.crc32(data[4:]) == int.from_bytes(data[:4], "little"):
            return data
        path.unlink()
    return None


def _compiled() -> bytes:
    from chainrule.engine.native.interpreter import compile_loop

    code, name = compile_loop()
    data = name.encode() + b"\n" + code
    return zlib.crc32(data).to_bytes(4, "little") + data


def _unpacked(data: bytes) -> tuple[bytes, str]:
    name, _, code = data[4:].partition(b"\n")
    return code, name.decode()


def _linked(code: bytes, name: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    unused = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(name)
    builder.import_symbol(UNUSED, ctypes.cast(unused, ctypes.c_void_p).value)
    linker = llvm.create_lljit_compiler()
    library = builder.link(linker, "native")
    _parts.extend([unused, linker, library])
    pointers, numbers = [ctypes.c_void_p] * 2, [ctypes.c_int64] * 5
    return ctypes.CFUNCTYPE(ctypes.c_int32, *pointers, *numbers)(library[name])

"""`chainrule doctor`: what this installation can use, and what it lacks."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from chainrule.cli.options.common import Json
from chainrule.cli.output import print_json, tell


def doctor(json: Json = False) -> None:
    """Show what this installation can use: versions, processor, accelerators, native loop, optional packages.

    Example:

    `chainrule doctor`
    """
    import torch

    from chainrule.data import data_folder

    found = {
        "chainrule": version("chainrule"),
        "Python": f"{platform.python_version()}, {platform.platform()}",
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
        "accelerators": ", ".join(_accelerators()) or "none",
        "native loop": _native_loop(),
        "data folder": str(data_folder()),
        **{f"extra [{name}]": what for name, what in _extras().items()},
    }
    if json:
        print_json(found)
    else:
        for name, what in found.items():
            tell(f"{name:<14} {what}")


def _accelerators() -> Iterator[str]:
    import torch

    yield from (f"cuda:{k} {torch.cuda.get_device_name(k)}" for k in range(torch.cuda.device_count()))
    for name in ("mps", "xpu"):
        backend = getattr(torch, name, None)
        if backend is not None and backend.is_available():
            yield name


def _native_loop() -> str:
    try:
        from chainrule.engine.native import machine
    except ImportError as missing:
        return f"none, draws are eager: numba cannot be loaded ({missing})"
    place = machine.find()
    if place is None:
        return (
            "not compiled: the first longer draw begins it in the background, `chainrule compile` does it now"
        )
    return f"compiled: {place}"


def _extras() -> dict[str, str]:
    """The optional packages of users, by the name of their extra: versions, or what is missing and how to get it."""
    found: dict[str, list[str]] = {}
    for line in requires("chainrule") or ():
        package, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"](\w+)['\"]", line)
        if package and extra and extra[1] not in ("dev", "docs"):
            found.setdefault(extra[1], []).append(package[0])
    return {name: _state(name, packages) for name, packages in found.items()}


def _state(extra: str, packages: list[str]) -> str:
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            return f"missing: pip install 'chainrule[{extra}]'"
    return ", ".join(versions)

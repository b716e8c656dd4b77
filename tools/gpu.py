"""Turn some minutes of a GPU into records: laws, sampling, training and likelihoods, in this order.

    python tools/gpu.py --minutes 30 --out runs/gpu --data DATA
    python tools/gpu.py --shrink --device cpu --minutes 1     # see that all of it runs, with everything tiny

It runs from a checkout, where nothing is installed but torch, numpy and lightning. What else is needed is named at
the start, with the line that brings it as wheels; `--wheels FOLDER` takes it from there. What has a record is not
measured again, and training goes on where it stopped: so the next half hour goes on, in the same folder `--out`.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = "unpacked"
# In order: what measures it, its share of the minutes, the most seconds of an entry, entries at once, do they resume.
PARTS = {
    "laws": ("chainrule.testing.on_registry", 0.1, 170, 8, False),
    "sampling": ("chainrule.bench.gpu.sampling", 0.25, 120, 1, False),
    "training": ("chainrule.bench.gpu.training", 0.15, 90, 1, False),
    "quality": ("chainrule.bench.gpu.quality", 0.5, 1800, 1, True),
}
# Import name → name of the package, of what the library cannot be imported without.
NEEDS = {
    "torch": "torch",
    "numpy": "numpy",
    "lightning": "lightning",
    "safetensors": "safetensors",
    "filelock": "filelock",
    "yaml": "pyyaml",
    "scipy": "scipy",
    "PIL": "pillow",
    "pyarrow": "pyarrow",
    "constriction": "constriction",
    "numba": "numba",
}
# What single entries need: fused kernels, a peer, recordings, music, digits.
WISHES = {
    "triton": "triton",
    "transformers": "transformers",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "mido": "mido",
    "sklearn": "scikit-learn",
}


def missing(names: dict[str, str]) -> list[str]:
    """Packages that are not here."""
    return [package for name, package in names.items() if importlib.util.find_spec(name) is None]


def unpack(wheels: Path) -> None:
    """Install what is missing from a folder of wheels, into a folder in it."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels)]
    for package in missing({**NEEDS, **WISHES}):
        subprocess.run([*pip, "--target", str(wheels / UNPACKED), package], check=False)
    importlib.invalidate_caches()


def check_packages() -> None:
    """See that all that is needed is here.

    Raises:
        SystemExit: which says what is missing, and how to carry it here.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    carry = f"pip download --only-binary :all: --python-version {version} --dest WHEELS"
    if lacking := missing(WISHES):
        print(f"not here, and done without: {', '.join(lacking)}. To have it: {carry} {' '.join(lacking)}")
    if lacking := missing(NEEDS):
        raise SystemExit(
            f"not here: {', '.join(lacking)}. Where there is a network: {carry} {' '.join(lacking)}; "
            "then here: python tools/gpu.py --wheels WHEELS"
        )


def read_options() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=28.0, help="time for all parts")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/gpu"), help="folder of records and runs, to bring home"
    )
    parser.add_argument("--data", type=Path, help="folder of the named sets; default: $CHAINRULE_DATA")
    parser.add_argument("--wheels", type=Path, help="folder of wheels of what is not installed")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts")
    parser.add_argument("--shrink", action="store_true", help="everything tiny")
    parser.add_argument("--retry", action="store_true", help="again what failed, was ended or lacked data")
    parser.add_argument("--entry", nargs=3, metavar=("PART", "ENTRY", "SECONDS"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """All parts, or one entry in a process of its own."""
    options = read_options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is under way keeps its place
    sys.path.insert(0, str(ROOT / "src"))
    if options.wheels:
        sys.path.append(str(options.wheels / UNPACKED))  # what is installed comes first
    if not options.entry:
        if options.wheels:
            unpack(options.wheels)
        check_packages()
    from chainrule.bench.gpu.kit import Part, run_all, run_entry
    from chainrule.bench.gpu.setting import Setting

    def part(name: str) -> Part:
        module, *limits = PARTS[name]
        own = import_module(module)
        return Part(*limits, own.names, own.measure)

    if options.entry:
        kind, name, seconds = options.entry
        runs = options.out / "runs"
        setting = Setting(options.device, options.shrink, options.data, runs, float(seconds))
        run_entry(part(kind), kind, name, options.out, setting)
        return
    parts = {name: part(name) for name in options.only or PARTS}
    command = [sys.executable, __file__, "--device", options.device, "--out", str(options.out)]
    command += ["--shrink"] if options.shrink else []
    for name in ("data", "wheels"):
        command += [f"--{name}", str(getattr(options, name))] if getattr(options, name) else []
    run_all(parts, options.out, command, minutes=options.minutes, shrink=options.shrink, retry=options.retry)


if __name__ == "__main__":
    main()

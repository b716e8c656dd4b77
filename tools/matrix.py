"""Run the smoke tests on the oldest and the newest versions of what chainrule needs: `make matrix`.

Oldest are the lower bounds in pyproject.toml, or the first versions after them that have a wheel for the Python; what
they bring along is the newest that fits, as pip would choose for a user. Each Python that is found gets two
environments, which are thrown away afterwards.

Usage: python tools/matrix.py [--python 3.12] [--only oldest]
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def floors() -> dict[str, str]:
    """The lower bound of each dependency."""
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return dict(re.match(r"([\w-]+)>=([\w.]+)", need).groups() for need in needs)


def number(version: str) -> tuple[int, ...]:
    """1.26.4 as something to compare; of 2.6.1.post0 and 2.13.0+cpu what all versions have."""
    return tuple(int(part) for part in re.match(r"[\d.]*\d", version)[0].split("."))


def pythons() -> dict[str, str]:
    """Version → interpreter, of those that are on this machine and start."""
    found = {}
    places = [*Path.home().glob(".pyenv/versions/*/bin/python3.??"), *Path("/usr/bin").glob("python3.??")]
    for version in PYTHONS:
        named = [str(place) for place in places if place.name == f"python{version}"]
        for path in (*named, shutil.which(f"python{version}")):
            works = path and subprocess.run([path, "-c", "import venv, ensurepip"], capture_output=True)
            if works and works.returncode == 0:
                found[version] = path
                break
    return found


def wheel(pip: list[str], wanted: str) -> str:
    """The file that pip would take, without taking it; "" if there is none for this Python."""
    command = [*pip, "install", "--dry-run", "--quiet", "--no-deps", "--ignore-installed", "--report", "-"]
    asked = subprocess.run([*command, "--only-binary", ":all:", wanted], capture_output=True, text=True)
    if asked.returncode:
        return ""
    return json.loads(asked.stdout)["install"][0]["download_info"]["url"].rsplit("/", 1)[-1]


def oldest(pip: list[str], name: str, floor: str) -> str:
    """The pin of the first version, from the lower bound on, that has a wheel for this Python."""
    if wheel(pip, f"{name}=={floor}"):
        return f"{name}=={floor}"
    listed = subprocess.run([*pip, "index", "versions", name], capture_output=True, text=True, check=True)
    versions = re.search(r"Available versions: (.*)", listed.stdout)[1].split(", ")
    later = [f"{name}=={v}" for v in sorted(versions, key=number) if number(v) > number(floor)]
    return next((pin for pin in later if wheel(pip, pin)), f"{name}=={floor}")


def small(build: str) -> bool:
    """Whether it is a build for CPUs; on Linux the others bring gigabytes of CUDA along."""
    return bool(build) and (platform.system() != "Linux" or "cpu" in build or "aarch64" in build)


def try_on(python: str, version: str, which: str, folder: Path) -> str:
    """One environment; how it went."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    pinned = re.search(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.M)[0]
    pins = {name: oldest(pip, name, floor) for name, floor in floors().items()} if which == "oldest" else {}
    wanted = pins.pop("torch", "torch")
    torch = next((pin for pin in (wanted, pinned) if small(wheel(pip, pin))), None)
    if torch is None:
        return f"skipped: no CPU build of {wanted} or {pinned} for Python {version} in the index"
    remark = "" if torch == wanted else f" ({torch}: {wanted} is there with CUDA only)"
    subprocess.run(
        [*pip, "install", "--quiet", "--editable", str(ROOT), "pytest", torch, *pins.values()], check=True
    )
    subprocess.run([*pip, "check"], check=False)
    tested = subprocess.run(
        [folder / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", "tests/test_smoke.py"], cwd=ROOT
    )
    return ("passed" if tested.returncode == 0 else f"FAILED ({tested.returncode})") + remark


def outcome(version: str, which: str, python: str | None) -> str:
    """How it went in an environment that is thrown away."""
    if python is None:
        return "skipped: no such Python on this machine"
    with tempfile.TemporaryDirectory(prefix="chainrule-matrix-") as folder:
        try:
            return try_on(python, version, which, Path(folder))
        except subprocess.CalledProcessError as error:
            return f"FAILED: {error}"


def main() -> int:
    """Try all, or those that are named; 1 if one failed or none was tried."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["oldest", "newest"], help="of the dependencies; both by default")
    parser.add_argument("--python", choices=PYTHONS, help="each by default")
    asked = parser.parse_args()
    found, results = pythons(), {}
    for version in [asked.python] if asked.python else PYTHONS:
        for which in [asked.only] if asked.only else ["oldest", "newest"]:
            print(f"== Python {version}, {which}", flush=True)
            results[version, which] = outcome(version, which, found.get(version))
            print(results[version, which], flush=True)
    print("", *(f"Python {v}, {which}: {how}" for (v, which), how in results.items()), sep="\n")
    failed = any("FAILED" in how for how in results.values())
    return int(failed or not any(how.startswith("passed") for how in results.values()))


if __name__ == "__main__":
    sys.exit(main())

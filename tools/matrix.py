"""Run the smoke tests on the oldest and the newest versions of what chainrule needs: `make matrix`.

Oldest are the lower bounds in pyproject.toml; what they bring along is the newest that fits, as pip would choose for
a user. Each Python that is found gets two environments, which are thrown away afterwards.
"""

from __future__ import annotations

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
PYTHONS = ("3.11", "3.12", "3.13")


def floors() -> list[str]:
    """The lower bound of each dependency, as pins."""
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [
        f"{name}=={floor}" for name, floor in (re.match(r"([\w-]+)>=([\w.]+)", n).groups() for n in needs)
    ]


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


def torch_build(pip: list[str], wanted: str) -> str:
    """The file that pip would take, without taking it."""
    command = [*pip, "install", "--dry-run", "--quiet", "--no-deps", "--ignore-installed", "--report", "-"]
    asked = subprocess.run([*command, wanted], capture_output=True, text=True)
    if asked.returncode:
        return ""
    return json.loads(asked.stdout)["install"][0]["download_info"]["url"].rsplit("/", 1)[-1]


def small(build: str) -> bool:
    """Whether it is a build for CPUs; on Linux the others bring gigabytes of CUDA along."""
    return bool(build) and (platform.system() != "Linux" or "cpu" in build or "aarch64" in build)


def try_on(python: str, version: str, which: str, folder: Path) -> str:
    """One environment; how it went."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    pinned = re.search(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.M)[0]
    floor = next(pin for pin in floors() if pin.startswith("torch=="))
    wanted = floor if which == "oldest" else "torch"
    torch = next((pin for pin in (wanted, pinned) if small(torch_build(pip, pin))), None)
    if torch is None:
        return f"skipped: no CPU build of {wanted} or {pinned} for Python {version} in the index"
    remark = "" if torch == wanted else f" ({torch}: {wanted} is there with CUDA only)"
    pins = [torch, *(pin for pin in floors() if which == "oldest" and pin != floor)]
    subprocess.run([*pip, "install", "--quiet", "--editable", str(ROOT), "pytest", *pins], check=True)
    subprocess.run([*pip, "check"], check=False)
    tested = subprocess.run(
        [folder / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", "tests/test_smoke.py"], cwd=ROOT
    )
    return ("passed" if tested.returncode == 0 else f"FAILED ({tested.returncode})") + remark


def main(chosen: list[str]) -> int:
    """Try all, or the chosen of "oldest" and "newest"; 1 if one failed."""
    found, results = pythons(), {}
    for version in PYTHONS:
        for which in chosen or ("oldest", "newest"):
            with tempfile.TemporaryDirectory(prefix="chainrule-matrix-") as folder:
                print(f"== Python {version}, {which}", flush=True)
                try:
                    result = (
                        try_on(found[version], version, which, Path(folder))
                        if version in found
                        else "skipped: no such Python on this machine"
                    )
                except subprocess.CalledProcessError as error:
                    result = f"FAILED: {error}"
                results[version, which] = result
                print(result, flush=True)
    print(*(f"Python {v}, {which}: {how}" for (v, which), how in results.items()), sep="\n")
    return int(any("FAILED" in how for how in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

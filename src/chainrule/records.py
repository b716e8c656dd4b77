"""Records: what was measured, on what, when. Numbers in prose come from these and nowhere else."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

import torch


def hardware() -> str:
    """The machine in words: processor, cores, accelerator."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores{device}"


def peak_memory() -> int | None:
    """The most main memory that this process has held, in bytes; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent held when it started this process
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if lines:
            return int(lines[0].split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def circumstances() -> dict:
    """Where and when a record is made: hardware, versions, date, commit of the working directory."""
    from chainrule._version import __version__

    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        commit = None
    return {
        "hardware": hardware(),
        "chainrule": __version__,
        "torch": str(torch.__version__),
        "date": datetime.date.today().isoformat(),
        "commit": commit,
    }


def to_json(record: dict) -> str:
    """The text of the record file."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"

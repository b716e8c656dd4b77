"""Where and how a measurement runs, and what the device can do."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chainrule.engine.captured.capture import as_cuda_graph

# Operations a second of dense bf16 products, as the makers state them.
PEAKS = {"H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12}
ROUNDS, SECONDS = 7, 3.0  # of a timing, whichever ends first
SIDE = {"cpu": 256}  # of the matrices by which a peak is measured; 8192 on other devices
SIZES = {"cpu": 1 << 22}  # bytes by which a bandwidth is measured; 1 GiB on others


@dataclass(frozen=True)
class Setting:
    """One run of the kit.

    Attributes:
        device: such as "cuda".
        shrink: whether all is tiny, to see that everything runs.
        data: folder of the named sets; None for the usual one.
        runs: folder of the runs that training goes on with.
        seconds: that this entry may take.
    """

    device: str
    shrink: bool
    data: Path | None
    runs: Path
    seconds: float

    def about(self) -> dict[str, Any]:
        """The device and the versions."""
        found = {"device": self.device, "python": platform.python_version()}
        if torch.device(self.device).type == "cuda":
            found |= {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
        return found

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if torch.device(self.device).type == "cuda":
            torch.cuda.synchronize()

    def time(self, call: Callable[[], object], rounds: int = ROUNDS) -> float:
        """Seconds of a call: the median of some rounds after one that does not count."""
        taken: list[float] = []
        most = SECONDS / 10 if self.shrink else SECONDS
        call()
        self.wait()
        while not taken or (len(taken) < rounds and sum(taken) < most):
            start = time.perf_counter()
            call()
            self.wait()
            taken.append(time.perf_counter() - start)
        return sorted(taken)[len(taken) // 2]


def bf16_peak(setting: Setting) -> dict[str, Any]:
    """Operations a second, "flops", and whether they are "stated" or "measured" by the product of large matrices."""
    name = setting.about().get("gpu", "")
    stated = next((peak for part, peak in PEAKS.items() if all(word in name for word in part.split())), None)
    if stated is not None:
        return {"flops": stated, "by": "stated"}
    side = SIDE.get(setting.device, 8192)
    a = torch.randn(side, side, device=setting.device, dtype=torch.bfloat16)
    return {"flops": 2 * side**3 / setting.time(lambda: a @ a), "by": "measured"}


def bandwidth(setting: Setting, least: int = 0) -> float:
    """Bytes a second, of reading an array again and again.

    Args:
        setting: the device.
        least: bytes of the array; by default far more than caches hold.
    """
    size = least or SIZES.get(setting.device, 1 << 30)
    x = torch.zeros(size // 4, device=setting.device)
    times = max(4, (1 << 28) // size)

    def read() -> None:
        for _ in range(times):
            x.sum()

    return times * size / setting.time(_graph(setting, read) or read)


def launch(setting: Setting) -> float | None:
    """Seconds between two kernels that do nothing, in a CUDA graph; None where there are no graphs."""
    x, times = torch.zeros(1, device=setting.device), 1000

    def work() -> None:
        for _ in range(times):
            x.add_(1)

    replay = _graph(setting, work)
    return None if replay is None else setting.time(replay) / times


def _graph(setting: Setting, work: Callable[[], None]) -> Callable[[], None] | None:
    """The same as a CUDA graph, which no launch from Python slows down; None where there are none."""
    device = torch.device(setting.device)
    return as_cuda_graph(work, device) if device.type == "cuda" else None

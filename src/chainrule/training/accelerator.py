"""Devices that torch has and Lightning does not know, such as xpu."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.strategies import SingleDeviceStrategy

from chainrule.errors import ChainruleError


def placed(device: torch.device, processes: int) -> dict[str, Any]:
    """The arguments of a trainer for its device.

    Args:
        device: see `find_device`.
        processes: on this machine.

    Raises:
        ChainruleError: if several processes cannot share such a device.
    """
    known = device.type in AcceleratorRegistry.available_accelerators()
    if processes > 1 and (device.index is not None or not known):
        raise ChainruleError(f"device {device}: expected cpu or cuda for {processes} processes")
    if not known:
        index = torch.device(device.type, device.index or 0)
        return {"strategy": SingleDeviceStrategy(index, accelerator=OwnAccelerator())}
    return {"accelerator": device.type, "devices": processes if device.index is None else [device.index]}


class OwnAccelerator(Accelerator):
    """One device of any kind that torch has."""

    def setup_device(self, device: torch.device) -> None:
        """Make it the current one."""
        module = torch.get_device_module(device)
        if hasattr(module, "set_device"):
            module.set_device(device)

    def teardown(self) -> None:
        """Nothing was set up."""

    @staticmethod
    def parse_devices(devices: Any) -> Any:
        """As they are."""
        return devices

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        """None: the strategy has its device."""
        return []

    @staticmethod
    def auto_device_count() -> int:
        """One."""
        return 1

    @staticmethod
    def is_available() -> bool:
        """The device has been tried already."""
        return True

    @staticmethod
    def name() -> str:
        """Any kind."""
        return "own"

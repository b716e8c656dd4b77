"""The device that a model is trained on."""

from __future__ import annotations

import torch

from chainrule.errors import ChainruleError


def find_device(name: str) -> torch.device:
    """The device that Lightning uses under this name; "auto" is the GPU, if there is one.

    Raises:
        ChainruleError: if there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device("cuda" if name == "gpu" else name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ChainruleError(f"device {name!r}: {str(error).splitlines()[0]}") from error
    if device.index is not None:
        raise ChainruleError(f"device: expected a kind such as {device.type}, got {name!r}")
    return device

"""The device that a model is trained on, and afterwards lives on."""

from __future__ import annotations

import textwrap

import torch

from chainrule.devices import widest
from chainrule.domain import Domain
from chainrule.errors import ChainruleError


def find_device(name: str, domain: Domain | None = None) -> torch.device:
    """The device of a name, once it has been seen to work; "auto" is the GPU of CUDA, if there is one.

    Args:
        name: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu" or another of torch's.
        domain: of the model that shall live there.

    Raises:
        ChainruleError: if there is none here, or it cannot hold items of the domain.
    """
    kind = {"auto": "cuda" if torch.cuda.is_available() else "cpu", "gpu": "cuda"}.get(name, name)
    try:
        device = torch.device(kind)
        torch.zeros(1, device=device).item()  # also fails on meta, which holds no numbers
    except (RuntimeError, AssertionError) as error:
        reason = textwrap.shorten(str(error), 80, placeholder=" …")
        raise ChainruleError(
            f"device {name!r}: expected auto, cpu, cuda, cuda:1 or another that works here ({reason})"
        ) from error
    if domain is not None and domain.columns and widest(device) != torch.float64:
        raise ChainruleError(f"device {name!r}: has no float64, of which the cells of tables are; use cpu")
    return device

"""How a function of fixed memory is made into something that runs again at once, by kind of device."""

from __future__ import annotations

from collections.abc import Callable

import torch

Replay = Callable[[], None]
Capture = Callable[[Replay, torch.device], Replay]


def as_it_is(function: Replay, device: torch.device) -> Replay:
    """The function itself: what tests capture with, where there are no graphs."""
    return function


def as_cuda_graph(function: Replay, device: torch.device) -> Replay:
    """A CUDA graph of its kernels, which the device runs by itself.

    The function runs once before, on the stream of the capture: libraries take their workspaces then.
    """
    with torch.cuda.device(device):
        graph, own, current = torch.cuda.CUDAGraph(), torch.cuda.Stream(), torch.cuda.current_stream()
        own.wait_stream(current)
        with torch.cuda.stream(own):
            function()
        current.wait_stream(own)
        with torch.cuda.graph(graph, stream=own):
            function()
    return graph.replay


# By kind of device. Others have no graphs.
CAPTURES: dict[str, Capture] = {"cuda": as_cuda_graph}

"""`check_layer`: the laws of a causal layer."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.layers import CausalLayer, Serial, State, map_state, repeat_rows, select_rows
from chainrule.testing.subject import close, randomise, require, under


def check_layer(layer: CausalLayer, x: Tensor) -> None:
    """Prove a layer: two modes agree in values and gradients, it is causal, and its state is a tree of rows.

    A layer with `supports_streaming` is run beyond the length of its state.

    The layer is put into float64 and evaluation mode, and its parameters are redrawn.

    Args:
        layer: from C to any number of channels.
        x: (B, T, C) floats, B ≥ 2 and T ≥ 3.

    Raises:
        LawViolation: naming what does not hold.
    """
    randomise(layer, torch.Generator().manual_seed(0))
    layer, x = layer.double().eval(), x.double()
    with under(f"check_layer({type(layer).__name__})"):
        _modes_agree(layer, x, "the layer")
        _is_causal(layer, x)
        _rows_are_free(layer, x)
        if layer.supports_streaming:
            _goes_on(layer, x)
        if layer(x).shape[-1] == x.shape[-1]:
            _modes_agree(Serial(layer, layer), x, "the layer applied twice")


def _steps(layer: CausalLayer, x: Tensor, state: State, start: int = 0) -> tuple[Tensor, State]:
    outputs = []
    for t in range(start, x.shape[1]):
        y, state = layer.step(x[:, t], state, torch.tensor(t))
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def _fresh(layer: CausalLayer, x: Tensor) -> State:
    return layer.init_state(x.shape[0], length=x.shape[1], device=x.device, dtype=x.dtype)


def _modes_agree(layer: CausalLayer, x: Tensor, what: str) -> None:
    leaf = x.clone().requires_grad_()
    parallel = layer(leaf)
    stepped, _ = _steps(layer, leaf, _fresh(layer, x))
    require(close(stepped, parallel, 1e-10), f"{what}: step and forward differ")
    wanted = [leaf, *layer.parameters()]
    direction = torch.randn(parallel.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    by_pass = torch.autograd.grad((parallel * direction).sum(), wanted)
    by_step = torch.autograd.grad((stepped * direction).sum(), wanted)
    require(
        all(close(a, b, 1e-9) for a, b in zip(by_step, by_pass, strict=True)), f"{what}: gradients differ"
    )
    with torch.no_grad():
        for n in range(1, x.shape[1]):
            head, state = layer.prefill(x[:, :n], _fresh(layer, x))
            tail, _ = _steps(layer, x, state, start=n)
            require(
                close(torch.cat([head, tail], 1), parallel, 1e-10),
                f"{what}: a prefix of {n} differs from its steps",
            )


def _is_causal(layer: CausalLayer, x: Tensor) -> None:
    length = x.shape[1]
    other = x.flip(0) + 1
    with torch.no_grad():
        y = layer(x)
        for s in range(length):
            mixed = x.clone()
            mixed[:, s] = other[:, s]
            moved = (layer(mixed) != y).any(-1).any(0)
            furthest = length - 1 if layer.receptive_field is None else s + layer.receptive_field
            require(not moved[:s].any(), f"an output before {s} reads input {s}")
            require(moved[s], f"output {s} does not read its own input")
            require(
                not moved[furthest + 1 :].any(),
                f"input {s} is read beyond the declared reach of {layer.receptive_field}",
            )
            alive = furthest >= length or moved[furthest]
            require(
                alive,
                f"input {s} is not read by output {furthest}, within the reach of {layer.receptive_field}",
            )


@torch.no_grad()
def _rows_are_free(layer: CausalLayer, x: Tensor) -> None:
    half = x.shape[1] // 2
    parallel = layer(x)
    one, two = _fresh(layer, x), _fresh(layer, x)
    for t in range(half):  # two rollouts at once on one module
        _, one = layer.step(x[:, t], one, torch.tensor(t))
        _, two = layer.step(x.flip(0)[:, t], two, torch.tensor(t))
    kept = map_state(torch.clone, one)
    order = torch.arange(x.shape[0] - 1, -1, -1)
    turned, _ = _steps(layer, x[order], select_rows(kept, order), start=half)
    require(close(turned, parallel[order][:, half:], 1e-10), "reordered rows go another way")
    forked, _ = _steps(layer, x.repeat_interleave(2, 0), repeat_rows(kept, 2), start=half)
    require(close(forked, parallel.repeat_interleave(2, 0)[:, half:], 1e-10), "forked rows go another way")


@torch.no_grad()
def _goes_on(layer: CausalLayer, x: Tensor) -> None:
    short = layer.init_state(x.shape[0], length=1, device=x.device, dtype=x.dtype)
    stepped, _ = _steps(layer, x, short)
    require(
        close(stepped, layer(x), 1e-10),
        "it supports streaming, and its outputs change beyond the length of its state",
    )

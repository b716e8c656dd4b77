"""`check_grid_layer`: the laws of a causal layer of images."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.layers import GridLayer, State, map_state, repeat_rows, select_rows
from chainrule.layers.grid.pixel_conv import bounds
from chainrule.testing.subject import close, randomise, require, under


def check_grid_layer(layer: GridLayer, x: Tensor, *, groups: int = 1) -> None:
    """Prove a layer of images: two modes agree in values and gradients, whole rows may come at once, it reads what
    `connect` declares and nothing later in raster order, and its state is a tree of rows.

    The layer is put into float64 and evaluation mode, and its parameters are redrawn.

    Args:
        layer: from C to C' channels.
        x: (B, C, H, W) floats, B ≥ 2, H ≥ 3 and W ≥ 3.
        groups: G, the colours that are generated one after the other; each has a group of channels.

    Raises:
        LawViolation: naming what does not hold.
    """
    randomise(layer, torch.Generator().manual_seed(0))
    layer, x = layer.double().eval(), x.double()
    with under(f"check_grid_layer({type(layer).__name__})"):
        for part, what in ((x, "the image"), (x[:, :, :1], "one row"), (x[..., :1], "one column")):
            _modes_agree(layer, part, groups, what)
        _rows_at_once(layer, x, groups)
        _reads_what_it_declares(layer, x, groups)
        _rows_below_do_not_matter(layer, x)
        _items_are_free(layer, x, groups)


def _fresh(layer: GridLayer, x: Tensor) -> State:
    return layer.init_state(len(x), width=x.shape[3], device=x.device, dtype=x.dtype)


def _form(state: State) -> list[tuple]:
    """Shape, type and strides of each leaf; a dimension of one has a stride that means nothing."""
    found: list[tuple] = []

    def note(leaf: Tensor) -> Tensor:
        strides = [step for step, n in zip(leaf.stride(), leaf.shape, strict=True) if n > 1]
        found.append((leaf.shape, leaf.dtype, strides))
        return leaf

    map_state(note, state)
    return found


def _steps(layer: GridLayer, x: Tensor, state: State, groups: int) -> tuple[Tensor, State]:
    """All rows of x, (B, C, r, W) → (B, C', r, W), pixel by pixel and group by group."""
    ends, rows = bounds(x.shape[1], groups), []
    for i in range(x.shape[2]):
        state, pixels = layer.start_row(state), []
        for j in range(x.shape[3]):
            parts = []
            for group in range(groups):
                own = x[:, ends[group] : ends[group + 1], i, j]
                y, state = layer.step(own, state, torch.tensor(j), group)
                parts.append(y)
            pixels.append(torch.cat(parts, dim=1))
        rows.append(torch.stack(pixels, dim=2))
    return torch.stack(rows, dim=2), state


def _modes_agree(layer: GridLayer, x: Tensor, groups: int, what: str) -> None:
    leaf = x.clone().requires_grad_()
    parallel, fresh = layer(leaf), _fresh(layer, x)
    stepped, state = _steps(layer, leaf, fresh, groups)
    require(
        parallel.dtype == stepped.dtype == x.dtype, f"{what}: {x.dtype} goes in, {stepped.dtype} comes out"
    )
    require(close(stepped, parallel, 1e-10), f"{what}: step and forward differ")
    require(
        _form(state) == _form(_fresh(layer, x)), f"{what}: a leaf of the state changes shape, type or strides"
    )
    wanted = [leaf, *layer.parameters()]
    direction = torch.randn(parallel.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    for by_step, by_pass in zip(
        *(
            torch.autograd.grad((y * direction).sum(), wanted, materialize_grads=True, allow_unused=True)
            for y in (stepped, parallel)
        ),
        strict=True,
    ):
        require(close(by_step, by_pass, 1e-9), f"{what}: gradients differ")


@torch.no_grad()
def _rows_at_once(layer: GridLayer, x: Tensor, groups: int) -> None:
    parallel = layer(x)
    for r in range(1, x.shape[2]):
        above, state = layer.prefill(x[:, :, :r], _fresh(layer, x))
        below, _ = _steps(layer, x[:, :, r:], state, groups)
        require(
            close(torch.cat([above, below], dim=2), parallel, 1e-10),
            f"{r} rows at once differ from their steps",
        )


@torch.no_grad()
def _reads_what_it_declares(layer: GridLayer, x: Tensor, groups: int) -> None:
    """Each group of each pixel is replaced in turn, and moves the outputs that `connect` says, none before its own."""
    _, channels, height, width = x.shape
    count = groups * height * width
    # Raster order: pixel after pixel, in each group after group.
    place = torch.arange(count).reshape(height, width, groups).permute(2, 0, 1)
    declared = layer.connect(place[..., None] == torch.arange(count))
    y, other, ends = layer(x), x.flip(0) + 1, bounds(channels, groups)
    outs = bounds(y.shape[1], groups)
    for g, i, j in torch.cartesian_prod(*map(torch.arange, (groups, height, width))).tolist():
        mixed, own = x.clone(), slice(ends[g], ends[g + 1])
        mixed[:, own, i, j] = other[:, own, i, j]
        changed = (layer(mixed) != y).any(0)
        moved = torch.stack([changed[a:b].any(0) for a, b in pairwise(outs)])
        here, where = place[g, i, j], f"group {g} of pixel ({i}, {j})"
        require(not (moved & (place < here)).any(), f"an output before {where} reads it")
        said = declared[..., here]
        require(not (moved & ~said).any(), f"{where} is read where connect does not declare it")
        require(not (said & ~moved).any(), f"{where} is not read where connect declares it")


@torch.no_grad()
def _rows_below_do_not_matter(layer: GridLayer, x: Tensor) -> None:
    padded = F.pad(x, (0, 0, 0, 2), value=3.0)
    require(
        close(layer(padded)[:, :, : x.shape[2]], layer(x), 1e-12), "rows of padding below change those above"
    )


@torch.no_grad()
def _items_are_free(layer: GridLayer, x: Tensor, groups: int) -> None:
    half, parallel = x.shape[2] // 2, layer(x)
    one, two = _fresh(layer, x), _fresh(layer, x)
    for i in range(half):  # two rollouts at once on one layer
        _, one = _steps(layer, x[:, :, i : i + 1], one, groups)
        _, two = _steps(layer, x.flip(0)[:, :, i : i + 1], two, groups)
    kept, order = map_state(torch.clone, one), torch.arange(len(x) - 1, -1, -1)
    turned, _ = _steps(layer, x[order][:, :, half:], select_rows(kept, order), groups)
    require(close(turned, parallel[order][:, :, half:], 1e-10), "reordered items go another way")
    twice = x.repeat_interleave(2, 0)[:, :, half:]
    forked, _ = _steps(layer, twice, repeat_rows(kept, 2), groups)
    require(
        close(forked, parallel.repeat_interleave(2, 0)[:, :, half:], 1e-10), "forked items go another way"
    )

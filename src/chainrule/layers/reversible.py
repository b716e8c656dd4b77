"""Reversible residual layers, whose backward pass computes activations again instead of keeping them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from chainrule.devices import generators
from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State
from chainrule.randomness import kept


class Reversible(CausalLayer):
    """y_1 = x_1 + F(x_2), y_2 = x_2 + G(y_1), again and again; x_1 and x_2 are the halves of the channels.

    The input follows from the output, x_2 = y_2 - G(y_1) and x_1 = y_1 - F(x_2). So only what leaves the last
    layer is kept for the backward pass, however many there are (and in training the state of the random numbers
    before each, 5 kB). That pass goes from the last layer to the first: computes it once more, with the same random
    numbers, so that dropout drops the same, takes its input back, and differentiates this one layer. Gradients are
    those of ordinary backpropagation up to rounding. What a layer counts, as batch normalisation does, it counts once.

    Step by step there is nothing to keep, and this is ordinary arithmetic.

    Args:
        layers: F_1, G_1, F_2, G_2, …, causal, from C channels to C.
        recompute: whether to do all this; otherwise activations are kept, as everywhere else.

    References:
        Gomez et al. (2017), "The reversible residual network: backpropagation without storing activations",
        https://arxiv.org/abs/1707.04585, eq. 6-8 and algorithm 1

    Example:
        >>> from chainrule.layers import CausalConv1d
        >>> layer = Reversible(*(CausalConv1d(4, 4, kernel_size=2) for _ in "FG"))
        >>> x = torch.randn(1, 5, 8)
        >>> torch.allclose(layer.inverse(layer(x)), x, atol=1e-6)
        True
    """

    def __init__(self, *layers: CausalLayer, recompute: bool = True) -> None:
        super().__init__()
        self.layers, self.recompute = nn.ModuleList(layers), recompute

    @property
    def receptive_field(self) -> int | None:
        """The sum of the layers' receptive fields: each reads what the one before it changed."""
        reaches: list[Any] = [layer.receptive_field for layer in self.layers]
        return None if None in reaches else sum(reaches)

    @property
    def supports_streaming(self) -> bool:
        """Whether all layers are."""
        return all(layer.supports_streaming for layer in self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 2C) → (B, T, 2C)."""
        if self.recompute and torch.is_grad_enabled():
            return _Recomputed.apply(x, self, *self.parameters())
        return self._through(x, lambda layer, half: layer(half))

    @torch.no_grad()
    def inverse(self, y: Tensor) -> Tensor:
        """The input of `forward`, recovered from its output, where nothing is random: (B, T, 2C) → (B, T, 2C)."""
        read, changed = y.chunk(2, dim=-1)
        for layer in reversed(self.layers):
            read, changed = changed - layer(read), read
        return torch.cat([read, changed], dim=-1)

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """One state per layer."""
        return tuple(
            layer.init_state(batch, length=length, device=device, dtype=dtype) for layer in self.layers
        )

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, 2C) → (B, 2C)."""
        return self._carrying(x, state, lambda layer, half, before: layer.step(half, before, t))

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 2C) → (B, n, 2C)."""
        return self._carrying(x, state, lambda layer, half, before: layer.prefill(half, before))

    def _through(self, x: Tensor, run: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """Each layer reads one half and is added to the other, which the next one reads."""
        changed, read = x.chunk(2, dim=-1)
        for layer in self.layers:
            changed, read = read, changed + run(layer, read)
        return torch.cat([changed, read], dim=-1)

    def _carrying(
        self, x: Tensor, state: State, run: Callable[[Any, Tensor, State], tuple[Tensor, State]]
    ) -> tuple[Tensor, State]:
        states, after = iter(state), []

        def carry(layer: Any, half: Tensor) -> Tensor:
            y, new = run(layer, half, next(states))
            after.append(new)
            return y

        return self._through(x, carry), tuple(after)


class _Recomputed(torch.autograd.Function):
    """`Reversible.forward`, and the gradient that computes it again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chain: Reversible, *parameters: Tensor) -> Tensor:
        device = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        ctx.autocast = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        ctx.layers, ctx.parameters, ctx.generators = chain.layers, len(parameters), generators(x.device)
        random: list[Tensor] = []

        def run(layer: Any, half: Tensor) -> Tensor:
            if chain.training:
                random.extend(generator.get_state() for generator in ctx.generators)
            return layer(half)

        y = chain._through(x, run)
        ctx.save_for_backward(y, *parameters, *random)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        y, *rest = ctx.saved_tensors
        parameters, random = rest[: ctx.parameters], rest[ctx.parameters :]
        each = len(random) // len(ctx.layers)
        gradients: dict[Tensor, Tensor] = {}
        read, changed = y.chunk(2, dim=-1)
        of_read, of_changed = gradient.chunk(2, dim=-1)
        for i in reversed(range(len(ctx.layers))):
            layer, leaf = ctx.layers[i], read.detach().requires_grad_()
            trained = [p for p in layer.parameters() if p.requires_grad]
            # What the layer counts goes into copies: the forward pass has counted it.
            counts = {name: buffer.clone() for name, buffer in layer.named_buffers()}
            states = random[i * each : (i + 1) * each]
            with torch.enable_grad(), torch.autocast(*ctx.autocast), _replayed(ctx.generators, states):
                added = functional_call(layer, counts, (leaf,))
            of_leaf, *of_trained = torch.autograd.grad(
                added, [leaf, *trained], of_changed.to(added.dtype), materialize_grads=True
            )
            for parameter, part in zip(trained, of_trained, strict=True):
                gradients[parameter] = gradients[parameter] + part if parameter in gradients else part
            read, changed = changed - added.detach(), read
            of_read, of_changed = of_changed, of_read + of_leaf
        return torch.cat([of_read, of_changed], dim=-1), None, *(gradients.get(p) for p in parameters)


@contextmanager
def _replayed(own: list[torch.Generator], states: list[Tensor]) -> Iterator[None]:
    """Random numbers as they were, and afterwards as they are; no states: as they are."""
    if not states:
        yield
        return
    with kept(own):
        for generator, state in zip(own, states, strict=True):
            generator.set_state(state)
        yield

"""WaveNet: gated residual blocks of dilated causal convolutions."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal

from torch import nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError, nearest
from chainrule.heads import DiscretisedLogistic, Head
from chainrule.layers import CausalConv1d, Condition, FrameFeatures, GatedResidual, StrictInput
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.sequence import SequenceParts, sequence_parts
from chainrule.networks import SkipStack

OUTPUTS = ("softmax", "logistic")
SYMBOLS = 64  # a sequence of more levels is taken for amplitudes
SOFTMAX = 256  # the most levels that get a softmax


class WaveNet(AutoregressiveModel):
    """Causal convolution → gated residual blocks → Σ skips → ReLU → 1×1 → ReLU → 1×1 → softmax.

    z = tanh(W_f * x + V_f h) ⊙ σ(W_g * x + V_g h), with dilations 1, 2, 4, … 2^(cycle-1), over and over.

    Args:
        channels: of x and z.
        skip: of the skips.
        depth: blocks.
        cycle: blocks until the dilation is 1 again.
        kernel_size: taps of each convolution.
        dropout: of z; none in the paper.
        output: "softmax", or "logistic", a mixture of logistics rounded to levels; None takes the latter for more
            than 256 levels.
        components: of the mixture.
        linear: taps of a linear prediction that is added to the parameters; none in the paper. On 16 bits a net need
            then only add what a linear prediction from the last samples lacks.
        classes, embedding: of a condition h that is the same everywhere; see `layers.Condition`.
        features: (M, hop), of a local one: `cond` is floats (B, M, T'), M numbers for each frame of `hop` sites,
            T' = ⌈T / hop⌉.
        encoding: see `models.encoding`; None takes a sequence of more than 64 levels for amplitudes, "centred".
        ordering: of the variables.

    References:
        van den Oord et al. (2016), "WaveNet: a generative model for raw audio", https://arxiv.org/abs/1609.03499; the
        mixture: van den Oord et al. (2017), "Parallel WaveNet", https://arxiv.org/abs/1711.10433
    """

    smallest = MappingProxyType({"channels": 12, "skip": 16, "depth": 3, "cycle": 2})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 64,
        skip: int = 128,
        depth: int = 10,
        cycle: int = 10,
        kernel_size: int = 2,
        dropout: float = 0.0,
        output: Literal["softmax", "logistic"] | None = None,
        components: int = 10,
        linear: int | None = None,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        features: tuple[int, ...] | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        amplitudes = domain.layout == "sequence" and domain.discrete and domain.max_levels > SYMBOLS
        if encoding is None and amplitudes:
            encoding = "centred"
        parts = sequence_parts(domain, encoding=encoding)
        head = _head(domain, parts, output, components)

        first = CausalConv1d(parts.channels, channels, kernel_size=kernel_size)
        blocks = [
            GatedResidual(
                channels,
                skip,
                kernel_size=kernel_size,
                dilation=2 ** (i % cycle),
                dropout=dropout,
                last=i == depth - 1,
            )
            for i in range(depth)
        ]
        last = nn.Sequential(nn.ReLU(), nn.Linear(skip, skip), nn.ReLU(), nn.Linear(skip, head.size))

        if features is None:
            condition = Condition(depth * 2 * channels, classes=classes, embedding=embedding)
            frames = None
        else:
            numbers, hop = _check_features(features)
            maps = numbers, -(-parts.length // hop)
            condition = Condition(channels, classes=classes, embedding=embedding, maps=maps)
            frames = FrameFeatures(channels, hop=hop, gates=2 * channels, blocks=depth)
        predict = None
        if linear is not None:
            predict = CausalConv1d(parts.channels, head.size, kernel_size=linear)
            nn.init.zeros_(predict.weight)
            nn.init.zeros_(predict.bias)
        network = SkipStack(StrictInput(parts.code), first, blocks, last, condition, frames, predict)
        super().__init__(network, domain, head, ordering=ordering)
        if domain.max_levels > SOFTMAX:
            # In bf16 neighbouring levels would be the same number, read or predicted.
            self.training_defaults = {"precision": "float32"}


def _head(domain: Domain, parts: SequenceParts, output: str | None, components: int) -> Head:
    alike = isinstance(domain.levels, int) and parts.head.variables == 1
    if output is None:
        output = "logistic" if alike and domain.max_levels > SOFTMAX else "softmax"
    if output not in OUTPUTS:
        raise ChainruleError(f"output: unknown {output!r}; {nearest(output, OUTPUTS)}")
    if output == "softmax":
        return parts.head
    if not alike:
        raise DomainError(
            f"output: expected one variable a step with one number of levels for a logistic, got {domain}"
        )
    return DiscretisedLogistic(domain.max_levels, components=components)


def _check_features(features: Any) -> tuple[int, int]:
    if len(features) != 2 or min(features) < 1:
        raise ChainruleError(f"features: expected (numbers, steps) per frame, both ≥ 1, got {features}")
    return tuple(features)

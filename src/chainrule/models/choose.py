"""Which models suit a kind and an amount of data, and why."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.domain import Domain

LARGE = 1024  # variables, beyond which dense nets are large
LONG = 2048  # steps, beyond which attention and recurrence are slow
FEW = 2000  # items, of which small nets make the most
SAMPLES = 1 << 16  # levels of a sound of 16 bits


class Choice(NamedTuple):
    """A model, and why."""

    name: str
    why: str


def choose_models(domain: Domain, items: int) -> list[Choice]:
    """Models that suit such data, the first choice first.

    A choice by kind and size, not by trial: `chainrule tune` tries.

    Args:
        domain: of the data.
        items: training items.
    """
    if domain.columns:
        return [
            Choice("made", "a table: columns of all kinds in one dense net, trained in seconds"),
            Choice("deep-nade", "a table with gaps to fill: one net for all orderings"),
            Choice("transformer", "a table of many rows and columns that interact"),
        ][: 2 + (items > 10 * FEW)]
    if not domain.discrete:
        return [
            Choice("maf", "reals: an invertible net, exact density, z of each item"),
            Choice("rnade", "reals: each conditional a mixture"),
            Choice("nsf", "reals: splines in place of affine maps"),
        ]
    if domain.layout == "image":
        channels, levels = domain.event_shape[0], domain.max_levels
        grey = Choice("gated-pixelcnn", "images: two gated stacks of convolutions see all pixels before")
        plus = Choice("pixelcnn-plus-plus", "images of many levels: mixtures of logistics for whole pixels")
        small = Choice("causal-conv1d", "small images, as sequences of pixels: quick on any machine")
        if channels > 1 and levels > 16:
            return [plus, grey]
        return [small, grey] if domain.size <= 100 and items < FEW else [grey, plus][: 1 + (levels > 16)]
    if domain.layout == "sequence":
        wave = Choice("wavenet", "long sequences: dilated convolutions reach thousands of steps back")
        net = Choice("transformer", "sequences of many items: attention over the window")
        lstm = Choice("lstm", "sequences, few of them: a recurrent net learns most from little data")
        if domain.levels == SAMPLES and domain.width == 1:
            follow = Choice(
                "rls-lstm", "sounds of 16 bits: linear predictors that follow each recording, and a net"
            )
            return [follow, wave]
        if domain.steps > LONG:
            return [wave, lstm]
        return [net, lstm, wave] if items * domain.steps > 1_000_000 else [lstm, net, wave]
    made = Choice("made", "vectors: one dense net gives all conditionals in a pass")
    nade = Choice("nade", "many variables: weights grow with their number, not with its square")
    return [nade, made] if domain.size > LARGE else [made, nade]

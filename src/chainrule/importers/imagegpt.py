"""ImageGPT as the package transformers keeps it: images of colour clusters."""

from __future__ import annotations

import math

from chainrule.domain import Domain
from chainrule.importers.gpt2 import MASKS, PREFIX, pieces_of_gpt2, sizes
from chainrule.importers.plan import Plan, piece
from chainrule.importers.settings import Settings


def imagegpt(config: Settings, *, length: int | None = None, start: int | None = None) -> Plan:
    """A `gpt2` of square images, whose levels are clusters of colours.

    The last vector of its embedding stands before the first pixel: it is the learned start.

    Args:
        config: as `ImageGPTConfig` writes it.
        length, start: none: an image has all its pixels, and its start is its own.

    Raises:
        ChainruleError: if it is no ImageGPT of ours.
    """
    positions, levels, depth = (
        config.count("n_positions"),
        config.count("vocab_size") - 1,
        config.depth("n_layer"),
    )
    side = math.isqrt(positions)
    if side * side != positions:
        raise config.refuse("n_positions", "a square number of pixels")
    if length is not None or start is not None:
        raise config.refuse("model_type", "a model of texts where length or start is given")
    if levels < 1:
        raise config.refuse("vocab_size", "at least one colour, and the start")
    config.only(tie_word_embeddings=False)
    pieces = pieces_of_gpt2(depth, bias=True, norm_bias=False, turned=True)
    pieces |= {
        "network.input.encoder.weight": piece("wte.weight", rows=(0, levels)),
        "network.input.start": piece("wte.weight", row=levels),
        "network.first.layers.0.weight": piece("wpe.weight"),
        f"network.body.layers.{2 * depth + 1}.module.weight": piece("lm_head.weight"),
    }
    hyperparameters = sizes(config) | {"tied": False, "norm": "root-mean-square"}
    return Plan("gpt2", Domain.image(1, side, side, levels), hyperparameters, pieces, PREFIX, MASKS)

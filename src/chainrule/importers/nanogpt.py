"""Checkpoints of nanoGPT."""

from __future__ import annotations

from chainrule.domain import Domain
from chainrule.importers.gpt2 import MASKS, PREFIX, pieces_of_gpt2, window
from chainrule.importers.plan import Plan, piece
from chainrule.importers.settings import Settings

COMPILED = "_orig_mod."  # what torch.compile puts before names
GPT2_TOKENS, END_OF_TEXT = 50257, 50256


def nanogpt(config: Settings, *, length: int | None = None, start: int | None = None) -> Plan:
    """A `gpt2` of token sequences, with exact GELUs and a tied output.

    Args:
        config: the `model_args` of the checkpoint.
        length: tokens of the window; by default all of a block.
        start: the token before the first one. A checkpoint does not say which; by default the end of text where tokens
            are those of GPT-2.

    Raises:
        ChainruleError: if it is no nanoGPT of ours.
    """
    levels, channels, depth = config.count("vocab_size"), config.count("n_embd"), config.depth("n_layer")
    sites = window(config, "block_size", length)
    bias = config.one_of("bias", {True: True, False: False}, True)
    pieces = pieces_of_gpt2(depth, bias=bias, norm_bias=bias, turned=False)
    pieces |= {
        "network.input.encoder.weight": piece("wte.weight"),
        "network.first.layers.0.weight": piece("wpe.weight", rows=(0, sites)),
    }
    if start is None and levels >= GPT2_TOKENS:
        start = END_OF_TEXT
    hyperparameters = {
        "channels": channels,
        "depth": depth,
        "heads": config.count("n_head"),
        "dropout": 0.0,
        "start": config.symbol("start", levels, start),
        "bias": bias,
        "gelu": "exact",
    }
    domain = Domain.sequence(sites, levels, lengths="given")
    return Plan("gpt2", domain, hyperparameters, pieces, PREFIX, (*MASKS, "lm_head.weight"))

"""GPT-2 as the package transformers keeps it; and the names that ImageGPT and nanoGPT have from it."""

from __future__ import annotations

from chainrule.domain import Domain
from chainrule.importers.plan import Piece, Plan, piece
from chainrule.importers.settings import Settings

GELUS = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "exact", "quick_gelu": "sigmoid"}
PREFIX = "transformer."
# Causal masks, which old files hold; and where it is tied, the output matrix.
MASKS = (".attn.bias", ".attn.masked_bias")


def gpt2(config: Settings, *, length: int | None = None, start: int | None = None) -> Plan:
    """A `gpt2`, of token sequences.

    Args:
        config: as `GPT2Config` writes it.
        length: tokens of the window; by default all positions.
        start: the token before the first one; by default the begin-of-text token.

    Raises:
        ChainruleError: if it is no GPT-2 of ours.
    """
    levels, tied = (
        config.count("vocab_size"),
        config.one_of("tie_word_embeddings", {True: True, False: False}, True),
    )
    sites = window(config, "n_positions", length)
    pieces = pieces_of_gpt2(config.depth("n_layer"), bias=True, norm_bias=True, turned=True)
    pieces |= {
        "network.input.encoder.weight": piece("wte.weight"),
        "network.first.layers.0.weight": piece("wpe.weight", rows=(0, sites)),
    }
    if not tied:
        pieces[f"network.body.layers.{2 * config.count('n_layer') + 1}.module.weight"] = piece(
            "lm_head.weight"
        )
    return Plan(
        "gpt2",
        Domain.sequence(sites, levels, lengths="given"),
        sizes(config) | {"tied": tied, "start": config.symbol("bos_token_id", levels, start)},
        pieces,
        PREFIX,
        (*MASKS, "lm_head.weight"),
    )


def window(config: Settings, key: str, length: int | None) -> int:
    """Sites of a sequence: all positions, or as many as are asked for.

    Raises:
        ChainruleError: if there are fewer positions than that.
    """
    positions = config.count(key)
    if length is not None and not 1 <= length <= positions:
        raise config.refuse(key, f"at least the length that was asked for, {length} tokens")
    return positions if length is None else length


def sizes(config: Settings) -> dict:
    """The hyperparameters that GPT-2 and ImageGPT have alike.

    Raises:
        ChainruleError: if an option changes what is computed.
    """
    config.only(scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, add_cross_attention=False)
    return {
        "channels": config.count("n_embd"),
        "depth": config.depth("n_layer"),
        "heads": config.count("n_head"),
        "hidden": None if config.values.get("n_inner") is None else config.count("n_inner"),
        "dropout": 0.0,
        "gelu": config.one_of("activation_function", GELUS, "gelu_new"),
        "epsilon": config.number("layer_norm_epsilon", 1e-5),
    }


def pieces_of_gpt2(depth: int, *, bias: bool, norm_bias: bool, turned: bool) -> dict[str, Piece]:
    """The blocks and the last norm.

    Args:
        depth: blocks.
        bias: whether linear maps have one.
        norm_bias: whether norms have one.
        turned: whether weights are (inputs, outputs), as the first code of GPT-2 had them.
    """
    pieces = {}

    def norm(ours: str, theirs: str) -> None:
        for part in ("weight", "bias")[: 1 + norm_bias]:
            pieces[f"network.body.layers.{ours}.{part}"] = piece(f"{theirs}.{part}")

    def linear(ours: str, theirs: str) -> None:
        pieces[f"network.body.layers.{ours}.weight"] = piece(f"{theirs}.weight", turned=turned)
        if bias:
            pieces[f"network.body.layers.{ours}.bias"] = piece(f"{theirs}.bias")

    for i in range(depth):
        norm(f"{2 * i}.norm", f"h.{i}.ln_1")
        linear(f"{2 * i}.layer.read", f"h.{i}.attn.c_attn")
        linear(f"{2 * i}.layer.write", f"h.{i}.attn.c_proj")
        norm(f"{2 * i + 1}.norm", f"h.{i}.ln_2")
        linear(f"{2 * i + 1}.layer.module.0", f"h.{i}.mlp.c_fc")
        linear(f"{2 * i + 1}.layer.module.2", f"h.{i}.mlp.c_proj")
    norm(f"{2 * depth}.module", "ln_f")
    return pieces

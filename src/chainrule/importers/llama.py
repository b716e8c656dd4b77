"""Llama as the package transformers keeps it."""

from __future__ import annotations

from chainrule.domain import Domain
from chainrule.importers.gpt2 import window
from chainrule.importers.plan import Plan, piece
from chainrule.importers.settings import Settings

SCALED = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


def llama(config: Settings, *, length: int | None = None, start: int | None = None) -> Plan:
    """A `llama`, of token sequences.

    Args:
        config: as `LlamaConfig` writes it.
        length: tokens of the window; by default all positions.
        start: the token before the first one; by default the begin-of-text token.

    Raises:
        ChainruleError: if it is no Llama of ours.
    """
    levels, channels, depth = (
        config.count("vocab_size"),
        config.count("hidden_size"),
        config.depth("num_hidden_layers"),
    )
    heads = config.count("num_attention_heads")
    tied = config.one_of("tie_word_embeddings", {True: True, False: False}, False)
    groups = config.count("num_key_value_heads", heads)
    if heads % groups:
        raise config.refuse("num_key_value_heads", f"a divisor of the {heads} heads")
    if config.count("head_dim", channels // heads) * heads != channels:
        raise config.refuse("head_dim", f"hidden_size / num_attention_heads, {channels} / {heads}")
    config.only(hidden_act="silu", attention_bias=False, mlp_bias=False, pretraining_tp=1)
    sites = window(config, "max_position_embeddings", length)
    base, scaling = _rotary(config)
    hyperparameters = {
        "channels": channels,
        "depth": depth,
        "heads": heads,
        "shared": heads // groups,
        "hidden": config.count("intermediate_size"),
        "dropout": 0.0,
        "start": config.symbol("bos_token_id", levels, start),
        "tied": tied,
        "base": base,
        "scaling": scaling,
        "epsilon": config.number("rms_norm_eps", 1e-6),
    }
    pieces = {"network.input.encoder.weight": piece("embed_tokens.weight")}
    for i in range(depth):
        own, theirs = f"network.body.layers.{2 * i}", f"layers.{i}"
        read = (f"{theirs}.self_attn.{part}_proj.weight" for part in "qkv")
        pieces |= {
            f"{own}.norm.weight": piece(f"{theirs}.input_layernorm.weight"),
            f"{own}.layer.read.weight": piece(*read),
            f"{own}.layer.write.weight": piece(f"{theirs}.self_attn.o_proj.weight"),
        }
        own = f"network.body.layers.{2 * i + 1}"
        pieces[f"{own}.norm.weight"] = piece(f"{theirs}.post_attention_layernorm.weight")
        for part, name in {"gate": "gate", "read": "up", "write": "down"}.items():
            pieces[f"{own}.layer.module.{part}.weight"] = piece(f"{theirs}.mlp.{name}_proj.weight")
    pieces[f"network.body.layers.{2 * depth}.module.weight"] = piece("norm.weight")
    if not tied:
        pieces[f"network.body.layers.{2 * depth + 1}.module.weight"] = piece("lm_head.weight")
    ignored = (".rotary_emb.inv_freq", *(("lm_head.weight",) if tied else ()))
    return Plan(
        "llama", Domain.sequence(sites, levels, lengths="given"), hyperparameters, pieces, "model.", ignored
    )


def _rotary(config: Settings) -> tuple[float, list[float] | None]:
    """The base, and how frequencies are scaled; in one dictionary since transformers 5, in two keys before."""
    key = "rope_parameters" if config.values.get("rope_parameters") is not None else "rope_scaling"
    given = config.values.get(key) or {}
    if not isinstance(given, dict):
        raise config.refuse(key, "a dictionary, or null")
    rope = Settings(f"{config.where}: {key}", {"rope_type": given.get("type"), **given})
    base = (rope if "rope_theta" in given else config).number("rope_theta", 10_000.0)
    if not rope.one_of("rope_type", {"default": False, "llama3": True}, "default"):
        return base, None
    missing = [name for name in SCALED if name not in given]
    if missing:
        raise rope.refuse(missing[0], "a positive number")
    return base, [rope.number(name, 1.0) for name in SCALED]

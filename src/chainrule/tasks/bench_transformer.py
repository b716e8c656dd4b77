"""What a token of a Transformer costs with its cache, beside Hugging Face's `generate` where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import metadata

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.models import create_model
from chainrule.tasks.bench_networks import flop_ratio
from chainrule.tasks.timing import time_interleaved

LENGTH, LEVELS, CHANNELS, DEPTH, HEADS = 256, 65, 384, 6, 6


def hugging_face() -> Callable[[int], Tensor]:
    """`GPT2LMHeadModel.generate` of the same size, with its cache of keys and values."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=LEVELS,
        n_positions=LENGTH,
        n_embd=CHANNELS,
        n_layer=DEPTH,
        n_head=HEADS,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=LEVELS - 1,
    )
    model = GPT2LMHeadModel(config).eval()
    options = {"do_sample": True, "top_k": 0, "use_cache": True}
    new = LENGTH - 1

    def draw(n: int) -> Tensor:
        start = torch.zeros(n, 1, dtype=torch.long)
        return model.generate(
            start, attention_mask=torch.ones_like(start), min_new_tokens=new, max_new_tokens=new, **options
        )

    return draw


def measure(batch: int, repeats: int) -> dict:
    """Six layers of 384, 256 tokens of 65; batches of one and of `batch`; float32, the same threads for both."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(
            "transformer",
            Domain.sequence(LENGTH, LEVELS),
            channels=CHANNELS,
            depth=DEPTH,
            heads=HEADS,
            positions="learned",
        ).factorisation
        peers, absent = {}, {}
        try:
            peers["transformers"] = hugging_face()
        except ModuleNotFoundError as error:
            absent["transformers"] = f"{error.name} is not installed"
    rates, speedup = {}, {}
    for rows in dict.fromkeys((1, batch)):
        ways: dict[str, Callable[[], object]] = {"ours": partial(model.sample, rows)}
        ways |= {name: partial(draw, rows) for name, draw in peers.items()}
        with torch.random.fork_rng(devices=[]):
            times = time_interleaved(ways, repeats)
        rates[rows] = {name: rows * LENGTH / seconds for name, seconds in times.medians().items()}
        speedup[rows] = {name: times.ratio(name, "ours") for name in peers}
    return {
        "about": f"Sampling a Transformer, {DEPTH} layers of {CHANNELS}, {LENGTH} tokens",
        "tokens_per_second": rates,
        "speedup": speedup,
        "flops": flop_ratio(model),
        "versions": {name: metadata.version(name) for name in peers},
        "absent": absent,
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a batch size."""
    peers = list(record["versions"])
    rows = []
    for batch, rates in record["tokens_per_second"].items():
        cells = [f"{rates[name]:.0f}" for name in ("ours", *peers)]
        rows.append([f"{batch}", *cells, *(f"{record['speedup'][batch][name]:.1f}" for name in peers)])
    names = [f"{name} {version}" for name, version in record["versions"].items()]
    columns = [
        "batch",
        "tokens/s",
        *(f"{name}, tokens/s" for name in names),
        *("chainrule is × faster" for _ in peers),
    ]
    return columns, rows

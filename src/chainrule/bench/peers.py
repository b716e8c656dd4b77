"""Samplers of other libraries, of the same size as ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule.domain import Domain

Sampler = Callable[[int], Tensor]
Peer = Callable[[Domain, Mapping[str, Any]], Sampler]


def hugging_face(domain: Domain, sizes: Mapping[str, Any]) -> Sampler:
    """`GPT2LMHeadModel.generate`, with its cache of keys and values, sampling from all levels; on `sizes["device"]`."""
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # it misses the attention mask that it is given
    config = GPT2Config(
        vocab_size=domain.max_levels,
        n_positions=domain.steps,
        n_embd=sizes["channels"],
        n_layer=sizes["depth"],
        n_head=sizes["heads"],
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=domain.max_levels - 1,
    )
    device = sizes.get("device", "cpu")
    model = GPT2LMHeadModel(config).eval().to(device)
    options = {"do_sample": True, "top_k": 0, "use_cache": True}
    new = domain.steps - 1

    def draw(n: int) -> Tensor:
        start = torch.zeros(n, 1, dtype=torch.long, device=device)
        return model.generate(
            start, attention_mask=torch.ones_like(start), min_new_tokens=new, max_new_tokens=new, **options
        )

    return draw


def zuko_maf(domain: Domain, sizes: Mapping[str, Any]) -> Sampler:
    """`zuko.flows.MAF` of one transform."""
    from zuko.flows import MAF

    flow = MAF(domain.size, transforms=1, hidden_features=sizes["hidden"]).eval()

    @torch.no_grad()
    def draw(n: int) -> Tensor:
        return flow().sample((n,))

    return draw


def nflows_maf(domain: Domain, sizes: Mapping[str, Any]) -> Sampler:
    """nflows' `MaskedAutoregressiveFlow` of one transform; its first layer and one block make two hidden layers."""
    from nflows.flows import MaskedAutoregressiveFlow

    flow = MaskedAutoregressiveFlow(
        domain.size, sizes["hidden"][0], num_layers=1, num_blocks_per_layer=1, use_residual_blocks=False
    ).eval()

    @torch.no_grad()
    def draw(n: int) -> Tensor:
        return flow.sample(n)

    return draw


def find_peers(
    peers: Mapping[str, Callable[[Domain, Mapping[str, Any]], Any]],
    domain: Domain,
    sizes: Mapping[str, Any],
    attempt: Callable[[Any], object] = lambda sampler: sampler(2),
) -> tuple[dict, dict]:
    """The peers that work here, and why the others do not, by name.

    Args:
        peers: builders.
        domain, sizes: what they are built for.
        attempt: what a peer is tried by; drawing two items by default.
    """
    found: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for name, make in peers.items():
        try:
            with torch.random.fork_rng(devices=[]):
                peer = make(domain, sizes)
                attempt(peer)
            found[name] = peer
        except ModuleNotFoundError as error:
            absent[name] = f"{error.name} is not installed"
        except Exception as error:  # of another library, under versions it may not know
            absent[name] = f"{type(error).__name__}: {error}"
    return found, absent

"""What inverting an affine autoregressive flow costs, beside two libraries of flows where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import metadata

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.models import create_model
from chainrule.tasks.bench_networks import flop_ratio
from chainrule.tasks.premasked import premasked
from chainrule.tasks.timing import time_interleaved

SIZE, HIDDEN = 64, 256


def zuko_sampler() -> Callable[[int], Tensor]:
    """`zuko.flows.MAF` of one transform."""
    from zuko.flows import MAF

    flow = MAF(SIZE, transforms=1, hidden_features=(HIDDEN, HIDDEN)).eval()
    return lambda n: flow().sample((n,))


def nflows_sampler() -> Callable[[int], Tensor]:
    """nflows' `MaskedAutoregressiveFlow` of one transform; its first layer and one block make two hidden layers."""
    from nflows.flows import MaskedAutoregressiveFlow

    flow = MaskedAutoregressiveFlow(
        SIZE, HIDDEN, num_layers=1, num_blocks_per_layer=1, use_residual_blocks=False
    ).eval()
    return flow.sample


PEERS = {"zuko": zuko_sampler, "nflows": nflows_sampler}


def measure(batch: int, repeats: int) -> dict:
    """64 reals, two hidden layers of 256, a Gaussian per variable; no gradients, float32, the same threads for all."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(
            "made",
            Domain.vector(SIZE),
            hidden=(HIDDEN, HIDDEN),
            residual=False,
            components=1,
            kernel="gaussian",
        ).factorisation
        peers, absent = _peers()
    forward = premasked(model)
    with exact_arithmetic(model):
        codes = model.sample(batch, generator=torch.Generator().manual_seed(0)).asinh()

        def naive() -> None:
            for _ in range(SIZE):
                forward(codes)

        ways: dict[str, Callable[[], object]] = {"ours": lambda: model.sample(batch), "naive": naive}
        for name, sampler in peers.items():
            ways[name] = partial(sampler, batch)
        times = time_interleaved(ways, repeats)
    return {
        "about": f"Sampling a masked autoregressive flow, {SIZE}-{HIDDEN}-{HIDDEN}",
        "seconds": times.medians(),
        "speedup": {name: times.ratio(name, "ours") for name in ways if name != "ours"},
        "flops": flop_ratio(model),
        "versions": {name: metadata.version(name) for name in peers},
        "absent": absent,
    }


def _peers() -> tuple[dict[str, Callable[[int], Tensor]], dict[str, str]]:
    """The samplers that work here, and why the others do not."""
    found, absent = {}, {}
    for name, make in PEERS.items():
        try:
            sampler = make()
            with torch.no_grad():
                sampler(2)
            found[name] = sampler
        except ModuleNotFoundError as error:
            absent[name] = f"{error.name} is not installed"
        except Exception as error:  # of another library, under versions it may not know
            absent[name] = f"{type(error).__name__}: {error}"
    return found, absent


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a library."""
    names = {"ours": "chainrule", "naive": f"{SIZE} forward passes, masks applied beforehand"}
    names |= {name: f"{name} {version}" for name, version in record["versions"].items()}
    rows = [
        [names[name], f"{1e3 * seconds:.1f} ms", "1" if name == "ours" else f"{record['speedup'][name]:.1f}"]
        for name, seconds in record["seconds"].items()
    ]
    return ["affine flow", f"{record['batch']} samples", "chainrule is × faster"], rows

"""What training NADE costs: a step over tiles of variables beside the loop over variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.bench.timing import time_interleaved
from chainrule.domain import Domain
from chainrule.models import create_model

SIZE, HIDDEN = 784, 500
NAMES = {
    "ours": "chainrule",
    "unbound": "loop over variables, weights unbound first",
    "loop": "loop over variables",
}


def loop_loss(
    x: Tensor, weight: Sequence[Tensor] | Tensor, start: Tensor, out: Sequence[Tensor] | Tensor, shift: Tensor
) -> Tensor:
    """The negative log-likelihood of bits x (B, D), (B,) nats, as NADE is commonly written.

    Args:
        x: floats, 0 or 1.
        weight: W, D rows of (H,).
        start: c (H,).
        out: V, D rows of (H,).
        shift: b (D,).
    """
    a = start.expand(len(x), -1)
    logits = []
    for d in range(x.shape[1]):
        logits.append(torch.sigmoid(a) @ out[d] + shift[d])
        a = a + x[:, d : d + 1] * weight[d]
    return F.binary_cross_entropy_with_logits(torch.stack(logits, 1), x, reduction="none").sum(1)


def losses(size: int, hidden: int) -> tuple[torch.nn.Module, dict[str, Callable[[Tensor], Tensor]]]:
    """A NADE, and three ways from bits (B, D) to its negative log-likelihoods."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model("nade", Domain.binary(size), hidden=hidden)
    network = model.factorisation.network

    def loop(x: Tensor) -> Tensor:
        rows = network.weight[:, 0], network.bias, network.out_weight[:, 0], network.out_bias[:, 0]
        return loop_loss(x.float(), *rows)

    def unbound(x: Tensor) -> Tensor:
        weight, out = network.weight[:, 0].unbind(), network.out_weight[:, 0].unbind()
        return loop_loss(x.float(), weight, network.bias, out, network.out_bias[:, 0])

    return model, {"ours": lambda x: -model.log_prob(x), "unbound": unbound, "loop": loop}


def measure(batch: int, repeats: int) -> dict:
    """Forward, backward and AdamW on random bits; both loops train the same parameters as ours."""
    model, ways = losses(SIZE, HIDDEN)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    x = torch.randint(2, (batch, SIZE), generator=torch.Generator().manual_seed(0))

    def step(loss: Callable[[Tensor], Tensor]) -> None:
        optimizer.zero_grad()
        loss(x).mean().backward()
        optimizer.step()

    times = time_interleaved({name: partial(step, loss) for name, loss in ways.items()}, repeats)
    return {
        "about": f"Training NADE, {SIZE} bits, {HIDDEN} hidden units",
        "seconds": times.medians(),
        "images_per_second": {name: batch / seconds for name, seconds in times.medians().items()},
        "speedup": {name: times.ratio(name, "ours") for name in ways if name != "ours"},
        "saved_bytes": {name: saved_bytes(partial(loss, x), model) for name, loss in ways.items()},
        "hidden_bytes": 4 * batch * SIZE * HIDDEN,
    }


def saved_bytes(forward: Callable[[], Tensor], model: torch.nn.Module) -> int:
    """Memory that a forward pass keeps for the backward pass, each storage once, parameters not counted."""
    storages: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = forward()  # held, so that no storage is freed and its address used again
    for parameter in model.parameters():
        storages.pop(parameter.untyped_storage().data_ptr(), None)
    total = sum(tensor.untyped_storage().nbytes() for tensor in storages.values())
    del result
    return total


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a way of computing it."""
    rows = [
        [
            NAMES[name],
            f"{rate:.0f}",
            "1" if name == "ours" else f"{record['speedup'][name]:.1f}",
            f"{record['saved_bytes'][name] / 1e6:.0f} MB",
        ]
        for name, rate in record["images_per_second"].items()
    ]
    return ["NADE training", "images/s", "chainrule is × faster", "kept for the backward pass"], rows

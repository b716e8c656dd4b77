"""Models of other libraries, or as they are commonly written, to train beside ours: of the same depth and widths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.bench.gated_port import GatedPort
from chainrule.bench.plus_port import PlusPort, mixture_loss
from chainrule.bench.sequence_ports import PlainTCN, PlainWaveNet
from chainrule.domain import Domain

Loss = Callable[[Tensor], Tensor]  # items (B, *event_shape) → nats (B,)
Trained = tuple[nn.Module, Loss]
Peer = Callable[[Domain, Mapping[str, Any]], Trained]


def zuko_maf(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """`zuko.flows.MAF`, or `zuko.flows.NSF` where ours has bins."""
    from zuko.flows import MAF, NSF

    kind = partial(NSF, bins=sizes["bins"]) if "bins" in sizes else MAF
    passes = 2 if sizes.get("transform") == "coupling" else None
    flow = kind(domain.size, transforms=sizes["transforms"], hidden_features=sizes["hidden"], passes=passes)
    return flow, lambda x: -flow().log_prob(x)


def nflows_maf(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """nflows' masked transforms, reversed in between; their first layer and one block make two hidden layers."""
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import (
        CompositeTransform,
        MaskedAffineAutoregressiveTransform,
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
        ReversePermutation,
    )

    affine: Any = MaskedAffineAutoregressiveTransform
    spline: Any = MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    options = {"hidden_features": sizes["hidden"][0], "num_blocks": 1, "use_residual_blocks": False}
    if "bins" in sizes:
        options |= {"num_bins": sizes["bins"], "tails": "linear", "tail_bound": 3.0}
    layers = []
    for _ in range(sizes["transforms"]):
        transform = (spline if "bins" in sizes else affine)(features=domain.size, **options)
        layers += [ReversePermutation(domain.size), transform]
    flow = Flow(CompositeTransform(layers), StandardNormal([domain.size]))
    return flow, lambda x: -flow.log_prob(x)


def pixelcnn_plus_plus(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """The authors' network and loss in plain PyTorch."""
    net = PlusPort(**{"components": 10, "dropout": 0.1, **sizes})
    return net, lambda x: mixture_loss(x / 127.5 - 1, net(x / 127.5 - 1))


def gated_pixelcnn(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """Layers as in pytorch-generative."""
    net = GatedPort(**sizes)

    def loss(x: Tensor) -> Tensor:
        bits = x.float()
        return F.binary_cross_entropy_with_logits(net(bits), bits, reduction="none").flatten(1).sum(1)

    return net, loss


def hugging_face(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """GPT-2 with one symbol more to begin with, and a last map of its own as ours has."""
    from transformers import GPT2Config, GPT2LMHeadModel

    levels = domain.max_levels
    config = GPT2Config(
        vocab_size=levels + 1,
        n_positions=domain.steps,
        n_embd=sizes["channels"],
        n_layer=sizes["depth"],
        n_head=sizes["heads"],
        tie_word_embeddings=False,
    )
    net = GPT2LMHeadModel(config).train()
    return net, lambda x: _nats(net(F.pad(x[:, :-1], (1, 0), value=levels)).logits.transpose(1, 2), x)


def tcn(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """Blocks as in locuslab/TCN."""
    net = PlainTCN(domain.max_levels, **{"kernel_size": 3, "dropout": 0.1, **sizes})
    return net, lambda x: _nats(net(x), x)


def wavenet(domain: Domain, sizes: Mapping[str, Any]) -> Trained:
    """Blocks of separate filters, gates, residuals and skips."""
    net = PlainWaveNet(domain.max_levels, **{"kernel_size": 2, **sizes})
    return net, lambda x: _nats(net(x), x)


def _nats(logits: Tensor, x: Tensor) -> Tensor:
    """(B, K, T), (B, T) → (B,)."""
    return F.cross_entropy(logits, x, reduction="none").sum(1)


# The peers of a net of `bench.nets`, by the name of their package, or what they are.
PEERS: dict[str, dict[str, Peer]] = {
    "pixelcnn-plus-plus": {"plain port": pixelcnn_plus_plus},
    "gated-pixelcnn": {"pytorch-generative's layers": gated_pixelcnn},
    "transformer": {"transformers": hugging_face},
    "tcn": {"locuslab's blocks": tcn},
    "wavenet": {"common blocks": wavenet},
    "maf": {"zuko": zuko_maf, "nflows": nflows_maf},
    "nsf": {"zuko": zuko_maf, "nflows": nflows_maf},
    "nsf-coupling": {"zuko": zuko_maf},
}

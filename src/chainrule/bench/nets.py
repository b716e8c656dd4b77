"""The nets whose sampling is measured, and what of each sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from chainrule.bench.peers import Peer, hugging_face, nflows_maf, zuko_maf
from chainrule.bench.premasked import premasked
from chainrule.domain import Domain
from chainrule.engine import Runner, Sample, draw_noise
from chainrule.models import AutoregressiveModel, Factorises, create_model

BITS, COLOURS = Domain.image(1, 28, 28, levels=2), Domain.image(3, 32, 32, levels=256)
TOKENS = Domain.sequence(256, levels=65)
FIELD = 2 + 3 * (2**10 - 1)  # sites that a sample of a WaveNet reads: dilations 1 … 512, three times
SEED = 0


@dataclass(frozen=True)
class Net:
    """A model by its registry name, with random weights.

    Attributes:
        about: its size, in words.
        name: in the registry.
        domain: what is drawn.
        hyperparameters: of the model.
        batches: items at once.
        sites: how many of an item are drawn; all by default.
        together: the most items in one pass of the naive way.
        peers: samplers of other libraries, of whole items.
    """

    about: str
    name: str
    domain: Domain
    hyperparameters: Mapping[str, Any]
    batches: tuple[int, ...]
    sites: int | None = None
    together: int = 16
    peers: Mapping[str, Peer] = field(default_factory=dict)

    def build(self) -> Any:
        """The model in evaluation mode, always with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = create_model(self.name, self.domain, **self.hyperparameters).eval()
        return model.factorisation if isinstance(model, Factorises) else model

    def draw(self, model: AutoregressiveModel, batch: int, runner: Runner | None = None) -> Tensor:
        """Draw the measured sites (B, n, V)."""
        noise = draw_noise(batch, self.domain.size, torch.Generator().manual_seed(SEED))
        return model.rollout(
            Sample(noise.to(model.device)), batch, None, stop=self.steps(model), runner=runner
        ).values

    def steps(self, model: AutoregressiveModel) -> int:
        """How many sites are measured."""
        return self.sites or model.sites

    def forward(self, model: AutoregressiveModel, batch: int) -> Callable[[], Tensor]:
        """One parallel pass; of a plain MADE with masks applied beforehand."""
        kind = torch.int64 if self.domain.discrete else model.dtype
        if self.name == "made":
            run = premasked(model)
            codes = model.network.code(torch.zeros(batch, model.sites, 1, dtype=kind)).flatten(1)
            return lambda: run(codes)
        x = torch.zeros(batch, *self.domain.event_shape, dtype=kind)
        return lambda: model(x)


NETS = {
    "wavenet": Net(
        "30 blocks × 64, skip 256",
        "wavenet",
        Domain.sequence(FIELD, levels=256),
        {"channels": 64, "skip": 256, "depth": 30, "cycle": 10},
        (1, 16, 64),
        sites=256,
        together=4,
    ),
    "transformer": Net(
        "6 × 384, context 256",
        "transformer",
        TOKENS,
        {"channels": 384, "depth": 6, "heads": 6, "positions": "learned"},
        (1, 16),
        peers={"transformers": hugging_face},
    ),
    "lstm": Net("2 × 512", "lstm", TOKENS, {"width": 512, "depth": 2}, (1, 16)),
    "gated-pixelcnn": Net("6 × 64, 28×28 bits", "gated-pixelcnn", BITS, {"channels": 64, "depth": 6}, (16,)),
    "pixelcnn": Net(
        "7 × 48 in three groups, 32×32 colours",
        "pixelcnn",
        COLOURS,
        {"channels": 48},
        (16,),
        sites=8 * 32 * 3,
    ),
    "pixelcnn-plus-plus": Net("small, 32×32 colours", "pixelcnn-plus-plus", COLOURS, {}, (1, 16)),
    "pixelcnn-plus-plus-paper": Net(
        "paper size, 32×32 colours",
        "pixelcnn-plus-plus",
        COLOURS,
        {"channels": 160, "depth": 5, "scales": 3, "dropout": 0.5},
        (1, 16),
        sites=4 * 32,
        together=4,
    ),
    "row-lstm": Net("28×28 bits", "row-lstm", BITS, {}, (16,)),
    "diagonal-bilstm": Net("28×28 bits", "diagonal-bilstm", BITS, {}, (16,)),
    "made": Net("784-500-500", "made", Domain.binary(784), {"hidden": (500, 500), "residual": False}, (16,)),
    "nade": Net("784-500", "nade", Domain.binary(784), {"hidden": 500}, (16,)),
    "maf": Net(
        "64 reals, 256-256",
        "made",
        Domain.vector(64),
        {"hidden": (256, 256), "residual": False, "components": 1, "kernel": "gaussian"},
        (256,),
        peers={"zuko": zuko_maf, "nflows": nflows_maf},
    ),
}

FLOW = {"hidden": (128, 128), "transforms": 5}
# What `bench training` trains: these nets, but flows of several transforms.
TRAINED = {
    **NETS,
    "pixelcnn-plus-plus": Net(
        "40 channels, 2 blocks at 3 scales, 32×32 colours",
        "pixelcnn-plus-plus",
        COLOURS,
        {"channels": 40, "depth": 2, "scales": 3},
        (8,),
    ),
    "tcn": Net("5 × 128", "tcn", TOKENS, {"channels": 128, "depth": 5}, (16,)),
    "maf": Net("5 × 128-128, 64 reals", "maf", Domain.vector(64), FLOW, (256,)),
    "nsf": Net(
        "5 × 128-128, 8 bins, 64 reals",
        "nsf",
        Domain.vector(64),
        {**FLOW, "bins": 8, "transform": "autoregressive"},
        (256,),
    ),
    "nsf-coupling": Net(
        "5 × 128-128, 8 bins, 64 reals",
        "nsf",
        Domain.vector(64),
        {**FLOW, "bins": 8, "transform": "coupling"},
        (256,),
    ),
}

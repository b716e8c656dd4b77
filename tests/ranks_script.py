"""What each process of a launcher runs in `test_ranks`: ranks_script.py OUT ACCUMULATE STRATEGY [resume|halt]."""

import sys
from contextlib import suppress
from pathlib import Path

import lightning.pytorch as pl
import torch

import chainrule as cr

FAMILIES = {
    "made": ("made", "vector:16:2", {"hidden": [16], "dropout": 0.0}),
    "made-dropout": ("made", "vector:16:2", {"hidden": [16], "dropout": 0.3}),
    "gated-pixelcnn": ("gated-pixelcnn", "image:1x4x4:2", {"channels": 4, "depth": 2, "dropout": 0.0}),
    "transformer": ("transformer", "sequence:16:2", {"dropout": 0.0, "channels": 8, "depth": 2, "heads": 2}),
    "vae": ("vae", "vector:16:2", {"hidden": 16, "latent": 4}),
}


HALT = 11  # steps, of the 16 in two epochs


class Stopped(Exception):
    """A run, as if the machine had been switched off."""


class Halt(pl.Callback):
    """Before a pass of a step begins."""

    def __init__(self, step, nth=0):
        self.step, self.nth = step, nth

    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.global_step == self.step and index % trainer.accumulate_grad_batches == self.nth:
            raise Stopped


class Stop(pl.Callback):
    """After the first epoch, as if something had happened."""

    def on_train_epoch_end(self, trainer, module):
        trainer.should_stop = True


def train(out: Path, accumulate: int = 1, halt: bool = False, **options) -> None:
    """A run of each family, in float64, where sums hardly depend on their order; or the first part of it.

    Batches are of 7 items, and one is left for the last of an epoch: fewer than there may be processes.
    """
    x = (torch.rand(67, 16, generator=torch.Generator().manual_seed(0)) < 0.4).long()
    for family, (name, domain, settings) in FAMILIES.items():
        domain = cr.Domain.parse(domain)
        items = x.reshape(-1, *domain.event_shape)
        data = cr.load_data({"train": items[:50], "valid": items[50:60], "test": items[60:]}, domain=domain)
        torch.manual_seed(0)
        model = cr.create_model(name, domain, **settings).double()
        more = {"callbacks": [Halt(HALT)], "checkpoint_minutes": 1e-9} if halt else {}
        with suppress(Stopped):
            cr.fit(
                model, data, out=out / family, epochs=2, batch_size=7, lr=1e-2, precision="float32", ema=0.5,
                device="cpu", progress=False, accumulate=accumulate, **more, **options,
            )  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    how = sys.argv[4:]
    train(Path(sys.argv[1]), int(sys.argv[2]), "halt" in how, strategy=sys.argv[3], resume="resume" in how)

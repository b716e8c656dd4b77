"""Draw docs/pictures/densities.png: points of a plane, the densities that models learnt of them, and their samples.

Usage: chainrule reproduce toys --runs RUNS; python tools/densities.py RUNS
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from chainrule import load, load_data
from chainrule.engine import exact_arithmetic

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "densities.png"
SETS, MODELS = ("moons", "rings"), ("made", "nice", "realnvp", "maf")
SIDE, SHOWN = 300, 1500


def window(points: Tensor) -> tuple[list[float], Tensor]:
    """What is shown, (left, right, bottom, top), and the middles of its pixels (SIDE², 2), row by row from the top."""
    low, high = points.amin(0) - 0.4, points.amax(0) + 0.4
    across = torch.linspace(low[0].item(), high[0].item(), SIDE)
    down = torch.linspace(high[1].item(), low[1].item(), SIDE)
    grid = torch.stack([across.expand(SIDE, -1), down[:, None].expand(-1, SIDE)], dim=-1)
    return [low[0].item(), high[0].item(), low[1].item(), high[1].item()], grid.reshape(-1, 2)


def scatter(axis: Axes, points: Tensor, extent: list[float]) -> None:
    """Points, in the window."""
    axis.scatter(*points[:SHOWN].T, s=1, color="#2b5c8a", linewidths=0)
    axis.set(xlim=extent[:2], ylim=extent[2:])


def draw(runs: Path) -> None:
    """A pair of rows for each set: densities, and samples below them."""
    figure, axes = plt.subplots(
        2 * len(SETS), 1 + len(MODELS), figsize=(10, 7.2), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.spines[:].set_visible(False)
    for i, name in enumerate(SETS):
        data = load_data(name)
        extent, grid = window(data.train)
        scatter(axes[2 * i, 0], data.test, extent)
        axes[2 * i, 0].set_title(f"{name}: data")
        axes[2 * i + 1, 0].set_visible(False)
        for j, kind in enumerate(MODELS, start=1):
            model = load(runs / "toys" / f"{name}-{kind}")
            with exact_arithmetic(model):
                density = model.log_prob(grid).exp().reshape(SIDE, SIDE)
                nats = -model.log_prob(data.test).mean()
                drawn = model.sample(SHOWN, generator=torch.Generator().manual_seed(0))
            axes[2 * i, j].imshow(density, extent=extent, cmap="Blues", vmax=density.quantile(0.995))
            axes[2 * i, j].set_title(f"{kind}: {nats:.2f} nats")
            scatter(axes[2 * i + 1, j], drawn, extent)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))

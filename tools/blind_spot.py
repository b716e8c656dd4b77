"""Draw docs/pictures/blind-spot-*.png: what an untrained PixelCNN and a gated one read, layer by layer.

Usage: python tools/blind_spot.py
"""

from pathlib import Path

import torch

import chainrule as cr
from chainrule.report import draw_receptive_fields

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
SIDE = 15


def main() -> None:
    """One picture a model."""
    domain = cr.Domain.image(1, SIDE, SIDE, levels=2)
    for name in ("pixelcnn", "gated-pixelcnn"):
        torch.manual_seed(0)
        model = cr.create_model(name, domain, channels=16, depth=3, first_size=3).eval()
        x = torch.randint(2, (8, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
        draw_receptive_fields(model, x, PICTURES / f"blind-spot-{name}.png")


if __name__ == "__main__":
    main()

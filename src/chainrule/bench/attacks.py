"""A small classifier of images, and the attacks on it that PixelDefend was tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.domain import Domain
from chainrule.errors import DomainError, optional_import

STEPS = 20  # of the basic iterative method
OVERSHOOT = (
    0.1  # of DeepFool, which goes so much further than it must: rounding to levels undoes a bare success
)
THROUGH = 10  # steps through a defence
BATCH, RATE = 64, 2e-3  # of the classifier's training


class Classifier(nn.Sequential):
    """Two convolutions, each followed by the largest of 2×2, and two layers: pixels in [0, 1] → logits.

    Args:
        domain: of images, whose sides 4 divides.
        classes: how many.

    Raises:
        DomainError: for anything else.
    """

    def __init__(self, domain: Domain, classes: int) -> None:
        if (
            domain.layout != "image"
            or not domain.discrete
            or domain.event_shape[1] % 4
            or domain.event_shape[2] % 4
        ):
            raise DomainError(f"classifier: expected images of levels, of sides that 4 divides, got {domain}")
        colours, height, width = domain.event_shape
        super().__init__(
            *(nn.Conv2d(colours, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(2 * height * width, 128), nn.ReLU(), nn.Linear(128, classes)),
        )
        self.top = domain.max_levels - 1
        self.classes, self.event_shape = classes, domain.event_shape

    def guess(self, x: Tensor) -> Tensor:
        """The most probable class of images of levels: (N, C, H, W) → (N,)."""
        with torch.no_grad():
            return torch.cat([self(part.float() / self.top).argmax(1) for part in x.split(256)])


def train_classifier(domain: Domain, x: Tensor, labels: Tensor, *, epochs: int, seed: int = 0) -> Classifier:
    """Train a classifier on images of levels (N, C, H, W) and their labels (N,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(domain, int(labels.max()) + 1)
        steps = epochs * -(-len(x) // BATCH)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(BATCH):
                optimizer.zero_grad()
                F.cross_entropy(model(x[rows].float() / model.top), labels[rows]).backward()
                optimizer.step()
                schedule.step()
    return model.eval()


def attack(model: Classifier, x: Tensor, labels: Tensor, epsilon: int, *, seed: int = 0) -> dict[str, Tensor]:
    """Each attack's images: whole levels, none of them more than epsilon from what it was.

    Random noise of ±epsilon; the fast gradient sign (FGSM); the basic iterative method (BIM) of 20 steps; DeepFool and
    the L2 attack of Carlini and Wagner (CW), whose changes, which know no such limit, are cut off at epsilon. All but
    the noise by the Adversarial Robustness Toolbox.

    Args:
        model: attacked, knowing its gradients.
        x: (N, C, H, W) levels.
        labels: the right classes (N,).
        epsilon: levels.
        seed: of the noise.

    Returns:
        Name → (N, C, H, W) levels.

    Raises:
        MissingExtraError: without the toolbox.
    """
    evasion: Any = optional_import("art.attacks.evasion", "dev")
    estimators: Any = optional_import("art.estimators.classification", "dev")
    target = estimators.PyTorchClassifier(
        model,
        nn.CrossEntropyLoss(),
        model.event_shape,
        model.classes,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    size, quiet = epsilon / model.top, {"verbose": False}
    attacks: dict[str, Callable[[], Any]] = {
        "FGSM": lambda: evasion.FastGradientMethod(target, eps=size),
        "BIM": lambda: evasion.BasicIterativeMethod(
            target, eps=size, eps_step=size / 8, max_iter=STEPS, batch_size=256, **quiet
        ),
        "DeepFool": lambda: evasion.DeepFool(target, max_iter=50, epsilon=OVERSHOOT, batch_size=256, **quiet),
        "CW": lambda: evasion.CarliniL2Method(
            target,
            confidence=1.0,
            initial_const=10.0,
            binary_search_steps=3,
            max_iter=20,
            learning_rate=0.05,
            batch_size=256,
            **quiet,
        ),
    }
    pixels = (x.float() / model.top).numpy()
    sign = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    made = {"random": (x.long() + epsilon * sign).clamp(0, model.top)}
    for name, make in attacks.items():
        found = torch.from_numpy(make().generate(pixels, F.one_hot(labels, model.classes).numpy()))
        change = (found * model.top).round().long() - x.long()
        made[name] = (x.long() + change.clamp(-epsilon, epsilon)).clamp(0, model.top)
    return made


def attack_through(
    model: Classifier, defend: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor, epsilon: int
) -> Tensor:
    """The attack that knows of a defence (BPDA): the gradient at its output, taken as if the defence changed nothing.

    Ten steps of the sign of that gradient, a quarter of epsilon long. An image that the defence no longer saves stays
    as it is.

    Args:
        model: attacked, knowing its gradients.
        defend: images (N, C, H, W) of levels → the same.
        x: (N, C, H, W) levels.
        labels: the right classes (N,).
        epsilon: levels, at most so far from x.

    Returns:
        (N, C, H, W) levels.

    References:
        Athalye, Carlini, Wagner (2018), "Obfuscated gradients give a false sense of security",
        https://arxiv.org/abs/1802.00420, §4.1 and §5.5
    """
    attacked, left = x.clone(), torch.arange(len(x))
    for _ in range(THROUGH):
        defended = defend(attacked[left])
        pixels = (defended.float() / model.top).requires_grad_()
        logits = model(pixels)
        (slope,) = torch.autograd.grad(F.cross_entropy(logits, labels[left], reduction="sum"), pixels)
        right = logits.argmax(1) == labels[left]
        left, sign = left[right], slope[right].sign().long()
        if not len(left):
            break
        moved = attacked[left] + max(1, epsilon // 4) * sign - x[left]
        attacked[left] = (x[left] + moved.clamp(-epsilon, epsilon)).clamp(0, model.top)
    return attacked

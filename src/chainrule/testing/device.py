"""Laws on a device: it computes what the CPU computes in double precision, up to rounding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine import Sample, draw_noise, exact_arithmetic
from chainrule.engine.auto import CAPTURED, FUSED, find_runner
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Exact, Factorises, Samples
from chainrule.testing.subject import ANY, LawNotBinding, LawViolation, Subject, close, require, steps, under

TOLERANCES = {"float32": 1e-4, "bf16": 5e-2}  # relative to the largest number; bf16 has eight bits
BATCH = 4


class Device:
    """A model on a device, the same in double precision on the CPU, and items for both.

    Args:
        subject: gives the model and the items.
        device: such as "cuda".
        kind: "float32", or "bf16" for products by autocast.
    """

    def __init__(self, subject: Subject, device: str, kind: str) -> None:
        self.device, self.kind, self.tolerance = device, kind, TOLERANCES[kind]
        own = subject.build(torch.float32, likelihoods=ANY)
        self.reference = copy.deepcopy(own).double()
        self.model: Any = own.to(device)
        self.x, self.cond = subject.items(BATCH, torch.float32), subject.cond(own, BATCH, torch.float32)
        self.generator = subject.generator

    def arithmetic(self) -> Any:
        """Autocast, for bf16."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.kind == "bf16")

    def moved(self, tensor: Tensor | None) -> Tensor | None:
        """To the device."""
        return None if tensor is None else tensor.to(self.device)

    def given(self) -> tuple[Tensor, Tensor | None]:
        """Items and conditions on the device."""
        return self.x.to(self.device), self.moved(self.cond)

    def factorised(self) -> Any:
        """The model, for laws of a single factorisation in float32.

        Raises:
            LawNotBinding: if it is none.
        """
        if not isinstance(self.model, Factorises):
            raise LawNotBinding("the model is not one factorisation")
        return self.model.factorisation


def scores_as_the_cpu(on: Device) -> None:
    """`log_prob` is that of the CPU."""
    if not isinstance(on.model, Exact):
        raise LawNotBinding("the model has no exact likelihood")
    wide = [t if t is None or not t.is_floating_point() else t.double() for t in (on.x, on.cond)]
    exact = exact_arithmetic(on.model) if on.kind == "float32" else on.arithmetic()  # no TF32
    with torch.no_grad(), exact:
        found = on.model.log_prob(*on.given())
    expected = on.reference.log_prob(*wide)
    require(found.device.type == torch.device(on.device).type, f"log_prob came back on {found.device}")
    require(close(found.cpu(), expected, on.tolerance), f"log_prob is {found.cpu()}, the CPU's {expected}")


def trains(on: Device) -> None:
    """A loss and its gradients are finite, and on the device."""
    trained = [p for p in on.model.parameters() if p.requires_grad]
    if not trained:
        raise LawNotBinding("the model has nothing to train")
    on.model.train()
    with on.arithmetic():
        loss = on.model.loss(*on.given()).mean()
    loss.backward()
    on.model.eval()
    require(loss.isfinite(), "the loss is not finite")
    gradients = [p.grad for p in trained if p.grad is not None]
    require(bool(gradients) and all(g.isfinite().all() for g in gradients), "a gradient is not finite")


def step_is_forward(on: Device) -> None:
    """Step by step, the parameters are those of the parallel pass."""
    model, (x, cond) = on.factorised(), on.given()
    with exact_arithmetic(model):
        stepped, _ = steps(model, model.to_sites(x), model.init_state(BATCH, cond=cond))
        require(close(stepped, model(x, cond), on.tolerance), "steps and the parallel pass differ")


def samples_as_the_cpu(on: Device) -> None:
    """The same noise gives the sample of the CPU in double precision."""
    model, noise = on.factorised(), draw_noise(BATCH, on.model.domain.size, on.generator())
    found = model.rollout(Sample(noise.to(on.device)), BATCH, on.moved(on.cond), runner="eager").values
    wide = on.cond if on.cond is None or not on.cond.is_floating_point() else on.cond.double()
    expected = on.reference.factorisation.rollout(Sample(noise), BATCH, wide, runner="eager").values
    tolerance = 0 if model.domain.discrete else 10 * on.tolerance
    require(close(found.cpu(), expected, tolerance), "another sample than the CPU's")


def captured_is_eager(on: Device) -> None:
    """Captured steps draw the sample of eager ones, and score it alike."""
    _is_eager(on, CAPTURED)


def fused_is_eager(on: Device) -> None:
    """The same with fused kernels."""
    _is_eager(on, FUSED)


def _is_eager(on: Device, name: str) -> None:
    model, noise = on.factorised(), draw_noise(BATCH, on.model.domain.size, on.generator()).to(on.device)
    rule, cond = Sample(noise), on.moved(on.cond)
    eager = model.rollout(rule, BATCH, cond, runner="eager", score=True)
    tolerance = 0 if model.domain.discrete else on.tolerance
    try:
        runner = find_runner(model, name)
        drawn = [model.rollout(rule, BATCH, cond, runner=runner, score=True) for _ in range(2)]
    except ChainruleError as reason:
        raise LawNotBinding(str(reason)) from reason
    for found in drawn:
        require(close(found.values, eager.values, tolerance), f"{name}: another sample")
        require(close(found.log_prob, eager.log_prob, on.tolerance), f"{name}: another score")


def draws(on: Device) -> None:
    """A sample lies on the device and in the domain."""
    if not isinstance(on.model, Samples):
        raise LawNotBinding("the model draws nothing")
    drawn = on.model.sample(BATCH, on.moved(on.cond), generator=on.generator())
    require(drawn.device.type == torch.device(on.device).type, f"a sample came back on {drawn.device}")
    on.model.domain.check(drawn)


LAWS: dict[str, tuple[Callable[[Device], None], ...]] = {
    "float32": (
        scores_as_the_cpu,
        trains,
        step_is_forward,
        samples_as_the_cpu,
        captured_is_eager,
        fused_is_eager,
        draws,
    ),
    "bf16": (scores_as_the_cpu, trains),
}


def check_on_device(
    factory: Callable[[Domain], Model], domains: Sequence[Domain], device: str, kind: str
) -> dict[str, str]:
    """Try each law on each domain.

    Args:
        factory: domain → model.
        domains: tiny ones that it serves.
        device: such as "cuda".
        kind: "float32" or "bf16".

    Returns:
        Of each law: "holds", why it does not bind, or how it is broken and on which domain.
    """
    outcome: dict[str, str] = {}
    for law in LAWS[kind]:
        for domain in domains:
            try:
                with under(law.__name__):
                    law(Device(Subject(factory, domain), device, kind))
            except LawNotBinding as reason:
                outcome.setdefault(law.__name__, f"does not bind: {reason}")
            except LawViolation as broken:
                outcome[law.__name__] = f"broken on {domain}: {broken}"
                break
            else:
                outcome[law.__name__] = "holds"
    return outcome

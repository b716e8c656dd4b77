"""The optimiser Muon, held to its formula computed with a singular value decomposition."""

import math

import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(4, 4), (3, 40), (40, 3), (1, 7)])
def test_nearly_orthogonal_with_the_same_singular_vectors(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    found = torch.diag(u.T @ orthogonal(matrix) @ v.T)
    # The smallest singular values take more steps of the iteration than it has.
    assert ((found > 0.6) & (found < 1.25))[s > 0.05 * s.sum()].all()
    rest = orthogonal(matrix) - u @ torch.diag(found) @ v
    assert rest.abs().max() < 1e-5


def test_in_bf16_the_direction_is_that_of_float32_but_for_the_rounding():
    matrix = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    exact, coarse = orthogonal(matrix), orthogonal(matrix.bfloat16())
    assert coarse.dtype == torch.bfloat16
    assert 0 < (exact - coarse.float()).norm() / exact.norm() < 0.02


@pytest.mark.parametrize("coarse", [False, True])
def test_the_first_step_by_hand(monkeypatch, coarse):
    monkeypatch.setattr("chainrule.training.muon.computes_in_bf16", lambda device: coarse)
    generator = torch.Generator().manual_seed(1)
    kernel, bias = (
        torch.randn(shape, generator=generator).requires_grad_() for shape in [(3, 2, 2, 2), (3,)]
    )
    before = kernel.detach().clone(), bias.detach().clone()
    optimizer = Muon([kernel, bias], lr=0.1, weight_decay=0.5)
    kernel.grad, bias.grad = torch.randn(3, 2, 2, 2, generator=generator), torch.tensor([2.0, -1e-3, 0.0])
    optimizer.step()
    step = (before[0] * 0.95 - kernel.detach()).flatten(1)
    direction = orthogonal(kernel.grad.flatten(1))
    off = (step / (0.1 * 0.2 * math.sqrt(8)) - direction).norm() / direction.norm()
    assert 1e-4 < off < 0.02 if coarse else off < 1e-5
    # Adam's first step is the sign of the gradient.
    torch.testing.assert_close(
        bias.detach(), before[1] * 0.95 - 0.1 * torch.tensor([1.0, -1.0, 0.0]), atol=2e-6, rtol=0
    )


def test_what_has_no_gradient_stays():
    weight = torch.ones(2, 2, requires_grad=True)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(weight.detach(), torch.ones(2, 2))


def test_an_unknown_optimiser_is_named_with_the_nearest():
    with pytest.raises(ChainruleError, match="did you mean 'muon'"):
        cr.fit(cr.create_model("fvsbn", cr.Domain.binary(3)), torch.zeros(20, 3).long(), optimizer="moun")

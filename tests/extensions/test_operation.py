"""A package outside of the library teaches the native runner the operations that its model uses."""

import math

import pytest
import torch
from torch import nn

import chainrule as cr
from chainrule.engine.native import lowers, register_elementwise
from chainrule.engine.native.lower.elementwise import binary, unary
from chainrule.engine.native.lower.registry import RULES
from chainrule.errors import ChainruleError


class Waves(nn.Module):
    def forward(self, x):
        return torch.sinh(torch.hypot(torch.sin(3 * x), x).tanh())


def hyperbolic_sine(builder, call):
    """sinh(x) = (eˣ - e⁻ˣ) / 2, of instructions that there are."""
    negative = builder.scratch(call.out.shape, call.out.dtype)
    unary(builder, "neg", negative, call.args[0])
    unary(builder, "exp", negative, negative)
    unary(builder, "exp", call.out, call.args[0])
    binary(builder, "sub", call.out, call.out, negative)
    binary(builder, "mul", call.out, call.out, 0.5)


def model():
    torch.manual_seed(0)
    net = cr.create_model("wavenet", cr.Domain.sequence(12, 8), channels=8, skip=8, depth=2).eval()
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, Waves())
    return net


def sample(dtype, runner):
    return model().to(dtype).sample(5, generator=torch.Generator().manual_seed(1), runner=runner)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_with_foreign_operations_runs_natively(dtype):
    with pytest.raises(ChainruleError, match="native runner: its step uses sin"):
        sample(dtype, "native")
    before = dict(RULES)
    try:
        register_elementwise("sin", lambda x: math.sin(x))
        register_elementwise("hypot", lambda x, y: math.sqrt(x * x + y * y))
        lowers("sinh")(hyperbolic_sine)
        assert torch.equal(sample(dtype, "native"), sample(dtype, "eager"))
        with pytest.raises(ChainruleError, match="operation sin: expected a new one"):
            register_elementwise("sin", lambda x: x)
    finally:
        RULES.clear()
        RULES.update(before)

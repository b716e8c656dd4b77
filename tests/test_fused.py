"""Kernels in Triton's interpreter, beside torch."""

import sys

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from chainrule.domain import Domain
from chainrule.engine import Sample, draw_noise
from chainrule.engine.captured import CapturedRunner, Unsupported
from chainrule.engine.captured.capture import as_it_is
from chainrule.engine.captured.fused import Fused
from chainrule.engine.nested import leaves
from chainrule.heads.conditional import CategoricalConditional, draw_level
from chainrule.layers.gate import gate
from chainrule.layers.linear import linear_rows
from chainrule.models import create_model
from children import SCRIPT, ended

ULP = torch.finfo(torch.float32).eps
LEAST = torch.finfo(torch.float32).tiny  # below it torch's σ is zero


@pytest.fixture(scope="module")
def fused():
    """The mode, on a CPU. `conftest` has Triton interpret kernels."""
    pytest.importorskip("triton", reason="triton is not installed")
    if torch.cuda.is_available():
        pytest.skip("here kernels are compiled for the GPU, not interpreted")
    return Fused(anywhere=True)


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Called(TorchDispatchMode):
    """Names of our operations that are called within."""

    def __init__(self):
        super().__init__()
        self.names = set()

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else torch loads its compiler, for a second, and wraps each operation

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "chainrule":
            self.names.add(func._opname)
        return func(*args, **(kwargs or {}))


def by_kernel(fused, name, call):
    """What a call gives by the kernel, which must have been used."""
    with Called() as called, fused, np.errstate(all="ignore"):  # the interpreter computes by NumPy
        found = call()
    assert called.names == {name}
    return found


def by_torch(fused, call):
    """What a call gives in the mode, which must have left it to torch."""
    with Called() as called, fused:
        found = call()
    assert not called.names
    return found


# --- products ----------------------------------------------------------------------------------------


def close_sums(found, x, weight, bias, like):
    """Within four units in the last place of the sum of the terms' sizes: float32 sums of no more than 300 terms, in
    pieces, stay far below, and every wrong term is far above."""
    terms = x.double().abs() @ weight.double().abs().T + bias.double().abs()
    exact = x.double() @ weight.double().T + bias.double()
    room = 4 * ULP * terms
    if found.dtype == torch.bfloat16:  # rounded once more
        room = room + exact.abs() * torch.finfo(torch.bfloat16).eps
    assert ((found.double() - exact).abs() <= room).all()
    assert ((like.double() - exact).abs() <= room + ULP * terms).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("rows", "outputs", "inputs"), [(1, 1, 1), (1, 130, 300), (2, 7, 33), (5, 131, 17), (16, 64, 64)]
)
def test_products_are_those_of_torch(fused, rows, outputs, inputs, dtype):
    x, weight, bias = (normal(*s).to(dtype) for s in ((rows, inputs), (outputs, inputs), (outputs,)))
    found = by_kernel(fused, "product", lambda: F.linear(x, weight, bias))
    assert found.dtype == dtype and found.shape == (rows, outputs)
    close_sums(found, x, weight, bias, F.linear(x, weight, bias))


def test_products_of_masked_weights(fused):
    mask = normal(40, 30) > 0
    x, weight, bias = normal(3, 30), normal(40, 30) * mask, torch.zeros(40)
    found = by_kernel(fused, "product", lambda: F.linear(x, weight))
    close_sums(found, x, weight, bias, F.linear(x, weight))
    assert not found[:, ~mask.any(1)].any()


def test_products_of_views(fused):
    """Of a transposed weight, part of a wider one, and rows that lie apart."""
    wide, x, bias = normal(50, 90), normal(4, 3, 60)[:, 1, ::2], normal(80)[::2]
    for weight in (wide[:40, 10:40], normal(30, 40).T):
        found = by_kernel(fused, "product", lambda weight=weight: F.linear(x, weight, bias))
        close_sums(found, x, weight, bias, F.linear(x, weight, bias))


def test_products_of_sequences_of_one(fused):
    x, weight = normal(3, 1, 20), normal(9, 20)
    found = by_kernel(fused, "product", lambda: F.linear(x, weight))
    assert found.shape == (3, 1, 9)
    close_sums(found[:, 0], x[:, 0], weight, torch.zeros(9), F.linear(x, weight)[:, 0])


def test_products_of_some_outputs(fused):
    x, weight, bias, index = normal(2, 25), normal(60, 25), normal(60), torch.tensor([59, 3, 3, 0, 17])
    for own in (bias, None):
        found = by_kernel(fused, "product", lambda own=own: linear_rows(x, weight, own, index))
        shift = torch.zeros(60) if own is None else own
        close_sums(found, x, weight[index], shift[index], linear_rows(x, weight, own, index))


def test_products_added_to_something(fused):
    base, x, weight = normal(4, 23)[:, 3:], normal(4, 31), normal(20, 31)
    found = by_kernel(fused, "product", lambda: torch.addmm(base, x, weight.T))
    close_sums(found, x, weight, base, torch.addmm(base, x, weight.T))


# --- attention ---------------------------------------------------------------------------------------


def cache(batch, times, heads, size, dtype=torch.float32):
    """Keys or values as the cache has them: (B, H, T, d), with times before heads in memory."""
    return [
        normal(batch, n, heads * size, seed=i).to(dtype).unflatten(-1, (heads, size)).transpose(1, 2)
        for i, n in enumerate((1, times, times))
    ]


def close_averages(found, q, k, v, mask, scale=None):
    """Scores are off by some units in the last place of their size, and so are the logarithms of the weights."""
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=mask, scale=scale)
    sizes = (q.double().abs() @ k.double().abs().transpose(2, 3)).amax() * (scale or q.shape[-1] ** -0.5)
    room = (4 + 2 * float(sizes)) * ULP * v.double().abs().amax()
    if found.dtype == torch.bfloat16:
        room = room + exact.abs() * torch.finfo(torch.bfloat16).eps
    assert ((found.double() - exact).abs() <= room).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "times", "heads", "size"), [(1, 1, 1, 2), (2, 37, 3, 6), (1, 300, 2, 64), (16, 9, 1, 16)]
)
def test_attention_is_that_of_torch(fused, batch, times, heads, size, dtype):
    q, k, v = cache(batch, times, heads, size, dtype)
    for seen in (1, times // 2 + 1, times):
        mask = torch.where(torch.arange(times) < seen, 0.0, -torch.inf)[None].to(dtype)
        found = by_kernel(
            fused, "attend", lambda mask=mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        )
        assert found.shape == q.shape and found.dtype == dtype
        close_averages(found, q, k, v, mask.double())
    found = by_kernel(fused, "attend", lambda: F.scaled_dot_product_attention(q, k, v, scale=0.3))
    close_averages(found, q, k, v, None, 0.3)


def test_attention_with_holes_and_biases(fused):
    """Whole blocks of times may be unseen, also the first; masks differ between rows and heads."""
    q, k, v = cache(2, 300, 2, 64)
    mask = normal(2, 2, 1, 300, seed=5)
    mask[:, :, :, :150] = -torch.inf
    mask[0, 1, :, 200:] = -torch.inf
    found = by_kernel(fused, "attend", lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    close_averages(found, q, k, v, mask.double())


def test_what_is_not_seen_is_not_read(fused):
    q, k, v = cache(1, 20, 1, 4)
    mask = torch.where(torch.arange(20) < 7, 0.0, -torch.inf)[None]
    whole = by_kernel(fused, "attend", lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    k[:, :, 7:], v[:, :, 7:] = torch.nan, torch.nan
    with fused:
        assert torch.equal(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), whole)


def test_a_query_that_sees_nothing(fused):
    q, k, v = cache(1, 5, 1, 4)
    mask = torch.full((1, 5), -torch.inf)
    with fused:
        assert torch.equal(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), torch.zeros(1, 1, 1, 4))


# --- the gate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 2), (3, 34), (16, 700), (2, 10, 7)])
def test_the_gate_is_that_of_torch(fused, shape):
    """Within a unit in the last place of the exact one, for all sizes of numbers."""
    dim = 1 if len(shape) == 3 else -1
    for scale in (1e-30, 1e-5, 1.0, 30.0):
        z = normal(*shape) * scale
        exact, found = gate(z.double(), dim=dim), by_kernel(fused, "gated", lambda z=z: gate(z, dim=dim))
        assert found.shape == exact.shape
        assert ((found - exact).abs() <= ULP * exact.abs() + LEAST).all()
        assert torch.allclose(found, gate(z, dim=dim), rtol=8 * ULP, atol=LEAST)


def test_the_gate_of_a_sum(fused):
    """The sum is rounded as torch rounds it; both may be views of wider rows."""
    z, added = normal(3, 50)[:, 7:41], normal(3, 60, seed=1)[:, 20:54]
    found = by_kernel(fused, "gated", lambda: gate(z, added))
    exact = gate((z + added).double())
    assert ((found - exact).abs() <= ULP * exact.abs()).all()
    everywhere = by_kernel(fused, "gated", lambda: gate(z, added[:1]))
    assert torch.allclose(everywhere, gate(z, added[:1]), rtol=8 * ULP, atol=0)


# --- draws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("levels", [1, 2, 65, 256, 1000])
def test_draws_are_those_of_torch(fused, levels, dtype):
    """Also of logits far apart, and where half of the levels cannot be."""
    logits = (normal(250, levels) * torch.logspace(-1, 2, 250)[:, None]).to(dtype)
    logits[::2].masked_fill_(normal(125, levels, seed=1) > 0.5, -torch.inf)
    logits[:, levels // 2] = 0
    u = torch.rand(250, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    u[:3] = torch.tensor([0.0, 1 - 2.0**-53, 0.5])
    found = by_kernel(fused, "draw_level", lambda: CategoricalConditional(logits).draw(u))
    assert torch.equal(found, CategoricalConditional(logits).draw(u))
    assert logits.gather(1, found[:, None]).isfinite().all()


def test_draws_at_the_edge_of_a_level(fused):
    """u equal to a sum belongs to the next level. Sums of powers of two have no rounding, so that torch says so too."""
    logits = torch.tensor([0.0, 0.0, -torch.inf, 0.0, 0.0, -torch.inf]).repeat(5, 1)
    u = torch.tensor([0.0, 0.25, 0.5, 0.75, 1 - 2.0**-53], dtype=torch.float64)
    found = by_kernel(fused, "draw_level", lambda: draw_level(logits, u))
    assert found.tolist() == draw_level(logits, u).tolist() == [0, 1, 3, 4, 4]


def test_an_impossible_level_is_never_drawn(fused):
    """Where sums end in a tail of nothing, at the largest u there is, whatever the rounding of the sums."""
    logits = normal(100, 777)
    logits[:, 700:] = -torch.inf
    logits[:, :5] = -torch.inf
    for u in (0.0, 1 - 2.0**-53):
        noise = torch.full((100,), u, dtype=torch.float64)
        found = by_kernel(fused, "draw_level", lambda noise=noise: draw_level(logits, noise))
        assert (found == (5 if u == 0 else found)).all() and ((found >= 5) & (found < 700)).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_draws_from_what_is_no_distribution(fused, bad):
    """No level lies outside, as with torch; whoever asked refuses it."""
    logits, u = torch.zeros(2, 6), torch.tensor([0.1, 0.9], dtype=torch.float64)
    logits[0, 3], logits[1] = bad, -torch.inf
    assert by_kernel(fused, "draw_level", lambda: draw_level(logits, u)).tolist() == [5, 5]
    assert draw_level(logits, u).tolist() == [5, 5]


# --- what is left to torch ---------------------------------------------------------------------------


def test_unknown_shapes_and_types_are_left_to_torch(fused):
    x, weight = normal(17, 8), normal(4, 8)
    assert torch.equal(by_torch(fused, lambda: F.linear(x, weight)), F.linear(x, weight))
    by_torch(fused, lambda: F.linear(x[:2].double(), weight.double()))
    by_torch(fused, lambda: torch.addmm(normal(4), x[:2], weight.T))  # of one row, not of each
    by_torch(fused, lambda: torch.addmm(normal(2, 4), x[:2], weight.T, beta=2))
    q, k, v = cache(2, 8, 2, 4)
    by_torch(fused, lambda: F.scaled_dot_product_attention(k, k, v))
    by_torch(fused, lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(1, 8).bool()))
    by_torch(fused, lambda: gate(normal(2, 3, 6)))
    by_torch(fused, lambda: gate(normal(2, 6).double()))
    by_torch(fused, lambda: draw_level(normal(2, 5000), torch.zeros(2, dtype=torch.float64)))
    by_torch(fused, lambda: draw_level(normal(2, 3, 4), torch.zeros(2, 3, dtype=torch.float64)))


def test_gradients_and_autocast_are_left_to_torch(fused):
    x, weight = normal(2, 8), normal(4, 8)
    with torch.enable_grad():
        by_torch(fused, lambda: F.linear(x, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert by_torch(fused, lambda: F.linear(x, weight)).dtype == torch.bfloat16


def test_a_cpu_is_left_to_torch(fused):
    by_torch(Fused(), lambda: F.linear(normal(2, 8), normal(4, 8)))


def test_without_triton_there_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "chainrule.engine.captured.kernels", None)
    with pytest.raises(Unsupported, match="no fused kernels: Triton cannot be loaded"):
        Fused()


# Of each kernel, the types of its pointers, and its constants.
COMPILED = """
import os, sys
os.environ["TRITON_INTERPRET"] = "0"
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from chainrule.engine.captured.kernels import attention, draw, gate, product

def build(kernel, constants, **types):
    signature = {n: "constexpr" if n in constants else types.get(n, "i32") for n in kernel.arg_names}
    made = triton.compile(ASTSource(kernel, signature, constexprs=constants), target=GPUTarget("cuda", 90, 32))
    print(len(made.asm["cubin"]) > 0)

for kind in ("*fp32", "*bf16"):
    names = dict.fromkeys(("x", "weight", "bias", "y"), kind)
    constants = {"BIASED": True, "INDEXED": True, "ROWS": 2, "OUTPUTS": 2, "INPUTS": 64}
    build(product._kernel, constants, index="*i64", **names)
    names = dict.fromkeys(("q", "k", "v", "mask", "y"), kind)
    build(attention._kernel, {"MASKED": True, "TIMES": 16, "UNITS": 16}, scale="fp32", **names)
    build(draw._kernel, {"LEVELS": 64}, logits=kind, u="*fp64", level="*i64")
build(gate._kernel, {"ADDED": True, "BLOCK": 64}, z="*fp32", added="*fp32", y="*fp32")
"""


def test_kernels_are_compiled_for_a_gpu(fused, tmp_path, monkeypatch):
    """To the machine code of an H100, which takes none."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    script = tmp_path / "compiled.py"  # Triton wants to know files
    script.write_text(COMPILED)
    status, out, said = ended(script, program=SCRIPT)
    assert (status, out.split()) == (0, ["True"] * 7), said


# --- whole models ------------------------------------------------------------------------------------

MODELS = {
    "made": (Domain.sequence(6, levels=3), {"hidden": (20, 20)}, {"product", "draw_level"}),
    "transformer": (
        Domain.sequence(4, levels=7),
        {"channels": 8, "depth": 1, "heads": 2},
        {"product", "attend", "draw_level"},
    ),
    "wavenet": (
        Domain.sequence(5, levels=9),
        {"channels": 8, "skip": 8, "depth": 2, "cycle": 2},
        {"product", "gated", "draw_level"},
    ),
    "gated-pixelcnn": (
        Domain.image(1, 2, 3, levels=4),
        {"channels": 4, "depth": 1},
        {"product", "gated", "draw_level"},
    ),
}


def build(name):
    domain, hyperparameters, kernels = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = create_model(name, domain, **hyperparameters).eval()
        for parameter in model.parameters():  # nothing is zero, as in a trained one
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model, kernels


@pytest.fixture
def large_blocks(monkeypatch):
    """Few programs a kernel: the interpreter runs one after the other."""
    from chainrule.engine.captured.kernels import product

    monkeypatch.setattr(product, "PROGRAMS", 2)


@pytest.mark.usefixtures("large_blocks")
@pytest.mark.parametrize("name", MODELS)
def test_a_rollout_with_kernels_gives_the_same_sample(fused, name):
    model, kernels = build(name)
    rule = Sample(draw_noise(3, model.domain.size, torch.Generator().manual_seed(1)))
    plain = model.rollout(rule, 3, None, runner="eager", score=True)
    with Called() as called, fused:
        found = model.rollout(rule, 3, None, runner="eager", score=True)
    assert called.names == kernels
    assert torch.equal(found.values, plain.values)
    assert torch.allclose(found.log_prob, plain.log_prob, atol=1e-5)


@pytest.mark.usefixtures("large_blocks")
@pytest.mark.parametrize("name", MODELS)
def test_steps_with_kernels_are_captured(fused, name):
    """What is recorded in the mode has the kernels in it, and draws the same sample when it is replayed."""
    model, kernels = build(name)
    rule = Sample(draw_noise(2, model.domain.size, torch.Generator().manual_seed(1)))
    runner = CapturedRunner(model, as_it_is, mode=lambda: fused)
    found = model.rollout(rule, 2, None, runner=runner)
    (program,) = runner._programs.values()
    recorded = {
        call.operation._opname
        for trace in program._traces.values()
        for call in trace.calls
        if call.operation.namespace == "chainrule"
    }
    assert recorded == kernels
    again = model.rollout(rule, 2, None, runner=runner)
    plain = model.rollout(rule, 2, None, runner="eager")
    assert torch.equal(found.values, plain.values) and torch.equal(again.values, plain.values)


def test_kernels_can_be_followed_without_numbers(fused):
    """Shapes and types alone, which compilers and counters ask for."""
    with FakeTensorMode(), fused:
        x, weight, index = torch.empty(2, 8), torch.empty(5, 8), torch.empty(3, dtype=torch.int64)
        q, k = torch.empty(2, 3, 1, 4), torch.empty(2, 3, 9, 4)
        found = [
            F.linear(x, weight),
            linear_rows(x, weight, None, index),
            F.scaled_dot_product_attention(q, k, k),
            gate(x),
            draw_level(x, torch.empty(2, dtype=torch.float64)),
        ]
    shapes = [tuple(leaf.shape) for leaf in leaves(found, torch.Tensor)]
    assert shapes == [(2, 5), (2, 3), (2, 3, 1, 4), (2, 4), (2,)]
    assert found[-1].dtype == torch.int64

"""Portable arithmetic: its functions, its sums, and files that are the same on every machine and by every runner."""

import hashlib
import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import chainrule as cr
from chainrule.coding.container import Header, Reader
from chainrule.coding.environment import Arithmetic
from chainrule.coding.range_coder import PRECISION, _weights
from chainrule.engine.portable import NotPortable, Portable
from chainrule.engine.portable.array import Array
from chainrule.engine.portable.formulas import FUNCTIONS
from chainrule.engine.portable.sums import on_grid, product, total
from chainrule.errors import CodeError
from children import PYTHON, ended
from fixed_models import MODELS, fixed

# The first 16 digits of the SHA-256 of each model's file, on every machine, by every runner. They change only with a
# new revision of the arithmetic.
FILES = {
    "bits": "754f9c6b6d0f2713",
    "recurrent": "85535dd5743dd357",
    "dilated": "49e0471531b4afec",
    "rows": "9121d69cf772db07",
    "logistics": "bea945a86cea7b12",
    "attention": "3db8abdcf03ebad6",
    "rotary": "d8f8c5d77dba9715",
    "samples": "f53f5fb0b4b8b17b",
    "estimator": "370766f172c0cda2",
}

EXACT = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "asinh": np.arcsinh,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "log_sigmoid_forward": lambda x: -np.logaddexp(0, -x),
    **{
        name: lambda x, function=function: function(torch.from_numpy(x)).numpy()
        for name, function in {
            "sigmoid": torch.sigmoid,
            "erf": torch.erf,
            "special_log_ndtr": torch.special.log_ndtr,
            "gelu": F.gelu,
            "gelu_by_tanh": lambda x: F.gelu(x, approximate="tanh"),
            "silu": F.silu,
            "elu": F.elu,
            "sqrt": torch.sqrt,
            "rsqrt": torch.rsqrt,
            "reciprocal": torch.reciprocal,
        }.items()
    },
}
LOOSE = {"erf": 2e-7, "gelu": 3e-7}  # by a polynomial that float32 cannot tell from them


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_numpy_and_torch(name):
    edges = np.array([0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, math.inf, -math.inf, math.nan])
    x = np.concatenate(
        [np.linspace(-40, 40, 4001), np.geomspace(1e-12, 1e5, 500), -np.geomspace(1e-12, 1e5, 500)]
    )
    x = x if name in ("sin", "cos") else np.concatenate([x, edges])
    with np.errstate(all="ignore"):
        found, wanted = FUNCTIONS[name](Array(x)).value, EXACT[name](x)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    finite = np.isfinite(wanted)
    assert np.array_equal(np.where(finite, 0, found), np.where(finite, 0, wanted), equal_nan=True)
    apart = np.abs(found[finite] - wanted[finite]) / np.maximum(1, np.abs(wanted[finite]))
    assert apart.max() < LOOSE.get(name, 1e-14)


def test_products_do_not_depend_on_the_order_of_their_terms():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(3, 512, generator=generator), torch.randn(512, 5, generator=generator)
    order = torch.randperm(512, generator=generator)
    columns = lambda x: on_grid(x.numpy())  # noqa: E731
    found = product(a, b, columns)
    assert torch.equal(product(a[:, order], b[order], columns), found)
    assert not torch.equal(a[:, order] @ b[order], a @ b)  # float32 rounds otherwise
    exact = a.double() @ b.double()
    size = a.double().abs().amax(1, keepdim=True) * b.double().abs().amax(0)
    assert ((found - exact).abs() / size).max() < 512 * 2.0**-21


def test_a_product_has_its_value_whatever_it_is_computed_with():
    """Each sum by whole numbers of Python, which round nothing: 512 terms at a time, then one after another."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1100, generator=generator), torch.randn(1100, 3, generator=generator)
    found = product(a, b, lambda x: on_grid(x.numpy()))
    (qa, sa), (qb, sb) = on_grid(a.numpy()), on_grid(b.T.contiguous().numpy())
    assert np.abs(qa).max() <= 2**22 and np.abs(qa).max(1).min() > 2**21
    for i in range(2):
        for j in range(3):
            terms = [int(x) * int(y) for x, y in zip(qa[i], qb[j], strict=True)]
            whole = 0.0
            for k in range(0, 1100, 512):
                whole += float(sum(terms[k : k + 512]))
            assert found[i, j].item() == whole * sa[i, 0] * sb[j, 0]


def test_sums_are_taken_by_halves():
    x = np.random.default_rng(0).normal(size=(2, 11))
    y = [row[:3] + row[8:] for row in x]  # 8 … 10 onto 0 … 2
    for row, first, found in zip(x, y, total(x), strict=True):
        eight = np.concatenate([first, row[3:8]])
        four = eight[:4] + eight[4:]
        two = four[:2] + four[2:]
        assert found == two[0] + two[1]


def test_what_has_no_portable_form_is_refused_by_name():
    arithmetic = Portable(torch.nn.Linear(1, 1))
    with arithmetic(), pytest.raises(NotPortable, match="a step uses erfinv, which has no portable form"):
        torch.erfinv(torch.ones(2))
    with arithmetic(), pytest.raises(NotPortable, match=r"computes in torch\.bfloat16"):
        torch.exp(torch.ones(2, dtype=torch.bfloat16))
    torch.erfinv(torch.ones(2))


def test_tables_become_whole_numbers_that_the_coder_takes_as_they_are():
    p = torch.rand(50, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 9
    whole = _weights(p)
    assert (whole >= 0).all() and (whole == np.floor(whole)).all()
    assert (whole.sum(1) == 2**PRECISION - 300).all()
    share = (p / p.sum(1, keepdim=True)).numpy() * (2**PRECISION - 300)
    assert np.abs(whole - share).max() <= 1


@pytest.mark.parametrize("runner", ["eager", "native"])
@pytest.mark.parametrize("name", MODELS)
def test_files_are_the_recorded_ones_by_every_runner(name, runner):
    model, x = fixed(name)
    blob = cr.compress(model, x, runner=runner)
    assert hashlib.sha256(blob).hexdigest()[:16] == FILES[name]
    assert torch.equal(cr.decompress(model, blob), x)


OTHER = """
import sys
sys.path.insert(0, {here!r})
import hashlib, torch, chainrule as cr
from fixed_models import fixed
torch.set_num_threads(2)
for name in ("recurrent", "dilated", "attention"):
    model, x = fixed(name)
    print(name, hashlib.sha256(cr.compress(model, x, runner="eager")).hexdigest()[:16])
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the switches are of x86-64")
def test_files_are_the_recorded_ones_with_other_instructions():
    """torch's oldest kernels and MKL's compatible ones, on two threads."""
    switches = ("ATEN_CPU_CAPABILITY=default", "MKL_CBWR=COMPATIBLE", "OMP_NUM_THREADS=2")
    status, out, said = ended(
        OTHER.format(here=str(Path(__file__).parent)), program=("env", *switches, *PYTHON)
    )
    assert status == 0, said
    assert dict(line.split() for line in out.splitlines()) == {
        name: FILES[name] for name in ("recurrent", "dilated", "attention")
    }


def test_a_portable_file_names_no_versions_and_another_one_does():
    model, x = fixed("bits")
    portable, plain = (cr.compress(model, x, runner="eager", portable=which) for which in (True, False))
    headers = [Reader(io.BytesIO(blob)).header for blob in (portable, plain)]
    assert [header.arithmetic.runner for header in headers] == ["portable", "eager"]
    assert headers[0].arithmetic.versions == () and len(headers[1].arithmetic.versions) == 4
    assert len(portable) < len(plain)


def test_another_revision_of_the_arithmetic_is_refused():
    with pytest.raises(CodeError, match="portable arithmetic 2, expected 1"):
        Arithmetic("portable", (), 2).check()
    Arithmetic("portable", (), 1).check()


def test_files_of_format_3_are_still_read():
    model, x = fixed("bits")
    blob = cr.compress(model, x, runner="eager", portable=False)
    header = Reader(io.BytesIO(blob)).header
    old = Header(header.kind, header.digest, header.domain, header.arithmetic, version=3).to_bytes()
    assert old[4] == 3 and old[5] == 0
    assert header.to_bytes()[4] == 4


def test_tables_that_a_model_computes_belong_to_a_portable_file():
    model, x = fixed("rotary")
    blob = cr.compress(model, x)
    table = next(buffer for name, buffer in model.named_buffers() if name.endswith("cos"))
    table[1, 0] = torch.nextafter(table[1, 0], torch.tensor(9.0))
    with pytest.raises(CodeError, match="coded by another model"):
        cr.decompress(model, blob)

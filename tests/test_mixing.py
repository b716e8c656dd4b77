"""Bytes coded bit by bit, mixed with the contexts of their file."""

import io
import lzma
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.coding.bytewise import decode_bytes, whole
from chainrule.coding.mixing import coder as coders
from chainrule.coding.mixing import kernel, tables
from chainrule.coding.mixing.coder import ByteCoder
from chainrule.coding.mixing.memory import allocate, as_written, held
from chainrule.coding.streams import block_symbols, compress_stream, decompress_stream
from chainrule.errors import ChainruleError, CodeError
from chainrule.training import Run
from test_cli import call

TEXT = (Path(__file__).parent / "children.py").read_bytes()[:3000]


@pytest.fixture(scope="module")
def contexts():
    return Run.contexts().model


def stream(model, content, **options):
    target = io.BytesIO()
    compress_stream(model, io.BytesIO(content), target, **options)
    return target.getvalue()


def unstream(model, blob):
    target = io.BytesIO()
    decompress_stream(model, io.BytesIO(blob), target)
    return target.getvalue()


def numbers(rows, seed=0):
    """The probabilities (B, 256) of some model."""
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(4 * torch.randn(rows, 256, generator=generator, dtype=torch.float64), -1)


def coded(values, length, model=None, payload=None):
    """Bytes in rows, coded with what a model says of each step, (T, B, 256); and the payload."""
    coder = ByteCoder(len(values), length, payload, model=model is not None)
    found = np.zeros_like(values)
    for t in range(min(length, len(values))):
        known = values[t::length] if payload is None else None
        found[t::length] = coder.code(t, known, None if model is None else whole(model[t]))
    return found, coder.finish()


def test_the_logistic_function_is_that_of_real_numbers():
    x = np.arange(-tables.LIMIT, tables.LIMIT + 1)
    assert abs(tables.squash() - 2**22 / (1 + np.exp(-x / tables.UNIT))).max() <= 1
    assert (tables.squash() + tables.squash()[::-1] == 1 << 22).all()
    middles, least = 1024 * np.arange(4096) + 512, tables.stretch() + tables.LIMIT
    assert (tables.squash()[least - 1] < middles).all() and (middles <= tables.squash()[least]).all()


def test_histories_begin_with_what_they_say():
    p = tables.first_guesses(kernel.HISTORY) / 65536
    assert p[0b1] == 0.5 and p[0b10] < 0.3 and p[0b11] > 0.7
    assert p[0b101] > 0.5 > p[0b110]  # the latest counts most
    assert (np.diff(p[[0b10, 0b100, 0b1000, 0b10000]]) < 0).all()


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("with_model", [False, True])
def test_python_computes_what_the_compiled_code_does(rows, with_model, monkeypatch):
    """Which the format relies on: a machine without numba reads and writes the same files."""
    values = np.frombuffer(TEXT[:130] + TEXT[:40] + bytes(range(250, 256)), np.uint8)
    length = -(-len(values) // rows)
    model = torch.stack([numbers(rows, t) for t in range(length)]) if with_model else None
    _, payload = coded(values, length, model)
    monkeypatch.setattr(coders, "run", as_written)
    assert coded(values, length, model)[1] == payload
    assert (coded(values, length, model, payload)[0] == values).all()


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=300), rows=st.integers(1, 9))
def test_any_bytes_in_any_rows_come_back(content, rows):
    values = np.frombuffer(content * 2, np.uint8)
    if len(values):
        length = -(-len(values) // rows)
        _, payload = coded(values, length)
        assert (coded(values, length, payload=payload)[0] == values).all()


def test_rows_that_repeat_one_another_come_back():
    """Matches lie in rows that are as far, or further on."""
    values = np.frombuffer((TEXT[:500] + b"?") * 12, np.uint8)
    for rows in (2, 5, 8, 12):
        _, payload = coded(values, -(-len(values) // rows))
        assert len(payload) < 700
        assert (coded(values, -(-len(values) // rows), payload=payload)[0] == values).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_block_costs_at_most_a_bit_above_the_model(share):
    """Where contexts help, where they cannot, and where the model alone knows; and eight bytes for the end."""
    rows, steps = 4, 400
    chance, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    model = torch.stack([numbers(rows, t) for t in range(steps)])
    drawn = torch.multinomial(model.flatten(0, 1), 1, generator=generator).view(steps, rows).T.numpy()
    symbols = np.where(chance.random((rows, steps)) < share, drawn, np.arange(steps) % 3).astype(np.uint8)
    _, payload = coded(symbols.ravel(), steps, model)
    at = torch.from_numpy(symbols.T.astype(np.int64))[..., None]
    bits = -model.gather(2, at).log2().sum().item()
    assert 8 * len(payload) <= bits + 1 + 8 + 1e-4 * rows * steps
    assert share == 1 or 8 * len(payload) < 0.9 * bits
    found, _ = coded(symbols.ravel(), steps, model, payload)
    assert (found == symbols.ravel()).all()


def test_what_a_model_is_sure_of_costs_next_to_nothing():
    model = torch.full((2000, 1, 256), 1e-9, dtype=torch.float64)
    model[:, 0, 65] = 1 - 255e-9
    _, payload = coded(np.full(2000, 65, np.uint8), 2000, model)
    assert len(payload) <= 1


def test_a_model_that_does_not_suit_costs_nothing(contexts):
    torch.manual_seed(0)
    model = cr.create_model("gru", cr.Domain.sequence(128, 256), width=8).eval()
    with torch.no_grad():
        model.network.body.layers[-1].module.bias += 9 * torch.randn(256)
    blob = stream(model, TEXT, runner="eager")
    assert len(blob) == len(stream(contexts, TEXT))
    assert unstream(model, blob) == TEXT


def test_contexts_have_no_model_to_code_with(contexts):
    with pytest.raises(CodeError, match="begin with 0"):
        decode_bytes(contexts, contexts, 3, b"\1abc")


def test_nan_is_no_probability():
    with pytest.raises(ChainruleError, match="NaN"):
        whole(torch.full((1, 256), math.nan))


def test_a_text_takes_less_than_by_xz(contexts):
    content = b"".join(
        path.read_bytes() for path in sorted(Path(cr.__file__).parent.glob("coding/mixing/*.py"))
    )
    blob = stream(contexts, content)
    assert len(blob) < 0.85 * len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    assert unstream(contexts, blob) == content


def test_noise_grows_by_less_than_a_percent(contexts):
    content = np.random.default_rng(0).bytes(30_000)
    assert len(stream(contexts, content)) < 1.01 * len(content)


def test_a_payload_that_goes_on_is_refused():
    values = np.frombuffer(TEXT[:200], np.uint8)
    _, payload = coded(values, 200)
    for other in (payload + b"\0", payload + b"x", payload * 2):
        with pytest.raises(CodeError, match="payload"):
            coded(values, 200, payload=other)


def test_a_small_file_takes_little_memory(contexts):
    for symbols, rows in ((100, 1), (5000, 8), (1 << 17, 2)):
        taken = sum(array.nbytes for array in allocate(symbols, rows, None, True)[:-2])
        assert 0.8 * taken < held(symbols, rows) and taken < 1.05 * held(symbols, rows)
    assert held(100, 1) < 11e6 < held(block_symbols(contexts, "file"), 1) < 320e6


def test_contexts_are_a_name_in_place_of_a_run(tmp_path):
    source = tmp_path / "a.txt"
    source.write_bytes(TEXT)
    assert call("compress", "contexts", source, "-o", tmp_path / "a.chr").status == 0
    assert (tmp_path / "a.chr").stat().st_size < 0.5 * len(TEXT)
    assert call("decompress", "contexts", tmp_path / "a.chr", "-o", tmp_path / "b.txt").status == 0
    assert (tmp_path / "b.txt").read_bytes() == TEXT
    assert (
        "only `compress` and `decompress`" in call("pack", "contexts", "-o", tmp_path / "c.chainrule").error
    )

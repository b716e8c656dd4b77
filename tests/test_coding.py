"""Compression: what comes back, how short it is, and what is refused."""

import importlib.util
import io
import lzma
import math
import os
import stat
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import constriction
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.coding.about import unpack as unpack_about
from chainrule.coding.archive import Packed, unpack
from chainrule.coding.container import Reader, unzigzag, varint, zigzag
from chainrule.coding.contexts import Contexts
from chainrule.coding.items import MOST_HELD, block_rows, threads
from chainrule.coding.mixing.memory import held
from chainrule.coding.names import fault_of
from chainrule.coding.range_coder import PRECISION, Decoder, Encoder
from chainrule.coding.streams import compress_stream, decompress_stream
from chainrule.coding.symbols import code_whole, uniform
from chainrule.domain.column import Column
from chainrule.engine.rows import state_bytes
from chainrule.errors import ChainruleError, CodeError
from chainrule.heads import DiscretisedLogistic
from chainrule.heads.mixture import BinnedMixtureConditional
from test_cli import call

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def bytes_model():
    torch.manual_seed(0)
    return cr.create_model("gru", cr.Domain.sequence(8, 256), width=8).eval()


def stream(model, content, kind="file", **options):
    target = io.BytesIO()
    compress_stream(model, io.BytesIO(content), target, kind, **options)
    return target.getvalue()


def unstream(model, blob, **options):
    target = io.BytesIO()
    decompress_stream(model, io.BytesIO(blob), target, **options)
    return target.getvalue()


# --- the coder -----------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 3, 256, 4096])
def test_no_symbol_costs_more_than_the_stated_loss(levels):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2000, levels, generator=generator, dtype=torch.float64) * 8
    p = torch.softmax(logits, -1)
    symbols = torch.multinomial(p, 1, generator=generator)[:, 0]
    coder = Encoder()
    coder.code(p, symbols)
    payload = coder.finish()
    nats = -p.gather(1, symbols[:, None]).log().sum().item() + 2000 * -math.log1p(-levels / 2**PRECISION)
    assert len(payload) <= nats / math.log(2) / 8 + 8
    decoder = Decoder(payload)
    assert torch.equal(decoder.code(p), symbols)
    decoder.finish()


def test_probabilities_become_the_whole_numbers_that_the_format_says():
    generator, total = np.random.default_rng(0), 2**PRECISION
    for levels in (2, 3, 256, 1000):
        p = generator.dirichlet(np.full(levels, 0.3))
        share = (total - levels) * np.concatenate([[0], np.cumsum(p)[:-1]]) / p.sum()
        first = np.floor(share).astype(np.int64) + np.arange(levels)
        for symbol in generator.integers(1, levels, 20):
            for place, expected in ((first[symbol], symbol), (first[symbol] - 1, symbol - 1)):
                # The low 24 bits of this coder's state say where in the distribution it is.
                coder = constriction.stream.stack.AnsCoder(np.array([place, 5], np.uint32))
                table = constriction.stream.model.Categorical(perfect=False)
                assert coder.decode(table, p[None])[0] == expected


def test_a_symbol_of_probability_zero_costs_24_bits():
    p = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(100, 2)
    coder = Encoder()
    coder.code(p, torch.ones(100, dtype=torch.int64))
    assert 300 <= len(coder.finish()) <= 308


def test_nan_is_no_probability():
    with pytest.raises(ChainruleError, match="NaN"):
        Encoder().code(torch.full((1, 2), torch.nan, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))


def test_the_masses_of_16_bits_are_the_sums_of_their_levels():
    head = DiscretisedLogistic(65536, components=3)
    params = torch.randn(4, head.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    conditional, _ = head.step(None, head.init_state(params), 0)
    levels = conditional.table()
    edges = torch.arange(0, 65537, 256).expand(4, -1)
    assert torch.allclose(conditional.masses(edges), levels.unflatten(1, (256, 256)).sum(2), atol=1e-14)
    fine = 40_000 + torch.arange(257).expand(4, -1)
    assert torch.allclose(conditional.masses(fine), levels[:, 40_000:40_256], atol=1e-14)


def test_whole_numbers_far_out_in_a_tail_come_back():
    ones = torch.zeros(3, 1, dtype=torch.float64)
    conditional = BinnedMixtureConditional(ones, ones, ones, torch.tensor(1.0))
    symbols, rows = torch.tensor([-(10**9), 0, 10**12]), torch.ones(3, dtype=torch.bool)
    coder, bounds = Encoder(), (-(10**9), 10**12)
    code_whole(conditional.masses, bounds, coder, symbols, rows)
    assert torch.equal(code_whole(conditional.masses, bounds, Decoder(coder.finish()), None, rows), symbols)


# --- items ---------------------------------------------------------------------------------------


def test_blocks_and_workers_change_nothing_but_time():
    model = cr.create_model("independent", cr.Domain.binary(100)).eval()
    x = torch.randint(2, (6000, 100), generator=torch.Generator().manual_seed(0))
    blob = cr.compress(model, x, workers=1)
    assert cr.compress(model, x, workers=3) == blob
    seen = []
    assert torch.equal(cr.decompress(model, blob, workers=3, progress=seen.append), x)
    assert seen == [2621, 5242, 6000]


@pytest.mark.parametrize("each, expected", [(1, 64), (MOST_HELD // 3, 3), (MOST_HELD, 1), (9 * MOST_HELD, 1)])
def test_many_cores_hold_no_more_than_a_few(each, expected, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert threads(None, each) == expected
    assert threads(8, each) == 8  # as the user says


def test_blocks_of_bytes_in_flight_hold_a_gigabyte_at_most(bytes_model, monkeypatch):
    """Their contexts take as much as a quarter of that."""
    used = []

    def recorded(function, tasks, workers):
        used.append(workers)
        return map(function, tasks)

    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # it would set back 64
    monkeypatch.setattr("chainrule.coding.streams.in_order", recorded)
    blob = stream(bytes_model, b"abc" * 20, runner="eager")
    assert unstream(bytes_model, blob) == b"abc" * 20
    assert used == [
        64,
        MOST_HELD // held(4096 * 8, 8),
    ]  # a short file is one small block; how long a file is that is read is not known
    assert Contexts.held(256, 1 << 16) == sum(own.nbytes for own in Contexts(256, 1, 1 << 16)._counts)


def test_rows_of_large_states_are_few_in_a_block(monkeypatch):
    model = cr.create_model("lstm", cr.Domain.binary(8), width=4).eval()
    x = torch.randint(2, (40, 8), generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("chainrule.coding.items.HELD", 16 * state_bytes(model))
    done = []
    blob = cr.compress(model, x, runner="eager", progress=done.append)
    assert done == [16, 32, 40] and torch.equal(cr.decompress(model, blob), x)


def test_threads_to_come_are_not_slowed_down():
    model = cr.create_model("independent", cr.Domain.binary(400)).eval()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        cr.compress(model, torch.zeros(6000, 400, dtype=torch.int64), workers=2)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("runner", ["eager", "native"])
def test_the_number_of_threads_changes_nothing(runner):
    torch.manual_seed(0)
    model = cr.create_model("made", cr.Domain.binary(12), hidden=[600, 600]).eval()
    x = torch.randint(2, (300, 12), generator=torch.Generator().manual_seed(0))
    before, blobs = torch.get_num_threads(), []
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            blobs.append(cr.compress(model, x, runner=runner))
        assert torch.get_num_threads() == 4
        assert blobs[0] == blobs[1]
        assert torch.equal(cr.decompress(model, blobs[0]), x)
    finally:
        torch.set_num_threads(before)


def test_no_items():
    model = cr.create_model("made", cr.Domain.image(1, 2, 2, levels=4)).eval()
    assert cr.decompress(model, cr.compress(model, torch.zeros(0, 1, 2, 2, dtype=torch.int64))).shape == (
        0,
        1,
        2,
        2,
    )


def test_16_bit_items_cost_what_the_model_says():
    torch.manual_seed(0)
    model = cr.create_model(
        "wavenet", cr.Domain.sequence(6, 65536), channels=8, skip=8, depth=2, cycle=2
    ).eval()
    x = model.sample(40, generator=torch.Generator().manual_seed(0))
    blob = cr.compress(model, x)
    assert torch.equal(cr.decompress(model, blob), x)
    assert len(blob) <= -1.001 * model.log_prob(x).sum().item() / math.log(2) / 8 + 64


def test_a_vector_that_is_told_is_not_in_the_file():
    model = cr.create_model("gru", cr.Domain.sequence(5, 3), width=4, embedding=2).eval()
    x, cond = torch.randint(3, (4, 5)), torch.randn(4, 2)
    blob = cr.compress(model, x, cond)
    assert torch.equal(cr.decompress(model, blob, cond), x)
    with pytest.raises(cr.errors.ConditionError, match="the condition that `compress` was given"):
        cr.decompress(model, blob, cond + 1)
    assert torch.equal(cr.decompress(model, cr.compress(model, x, cond[0]), cond[0]), x)


def test_what_cannot_be_coded_is_refused_plainly():
    bits = cr.Domain.binary(4)
    for model, message in [
        (cr.create_model("made-ensemble", bits, hidden=[8], masks=2, orderings=2), "one factorisation"),
        (cr.create_model("gaussian", cr.Domain.vector(2)), "levels, categories or whole numbers"),
        (
            cr.create_model("pixelcnn-autoencoder", cr.Domain.image(1, 4, 4, 2), channels=4, depth=1),
            "likelihood",
        ),
    ]:
        with pytest.raises(ChainruleError, match=message):
            cr.compress(model, torch.zeros(1, *model.domain.event_shape).long())


@pytest.mark.parametrize("total", [1e-280, 1e-295, 1e-305, 1e-310, 5e-324])
def test_numbers_that_are_hardly_possible_come_back(total):
    """A total of less than the least normal number was not normalised."""

    def masses(edges):
        return uniform(edges) / uniform(edges).sum(1, keepdim=True) * total

    whole, numbers = torch.ones(3, dtype=torch.bool), torch.tensor([-(2**53), 5, 2**53])
    encoder = Encoder()
    code_whole(masses, (-(2**53), 2**53), encoder, numbers, whole)
    found = code_whole(masses, (-(2**53), 2**53), Decoder(encoder.finish()), None, whole)
    assert torch.equal(found, numbers)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_rows_come_back(data):
    children = Column("children", "integer", missing=True)
    domain = cr.Domain.table((children, Column("sex", "categorical", ("f", "m"), missing=True)))
    model = cr.create_model("fvsbn" if data.draw(st.booleans()) else "nade", domain).eval()
    number = st.one_of(st.none(), st.integers(-(2**53), 2**53), st.integers(-3, 3))
    rows = data.draw(st.lists(st.tuples(number, st.sampled_from([None, 0, 1])), max_size=8))
    cells = [[math.nan if cell is None else float(cell) for cell in row] for row in rows]
    x = torch.tensor(cells, dtype=torch.float64).reshape(-1, 2)
    found = cr.decompress(model, cr.compress(model, x))
    assert np.array_equal(found.numpy(), x.numpy(), equal_nan=True)


# --- files, folders, sounds ----------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_come_back(bytes_model, content):
    blob = stream(bytes_model, content)
    assert unstream(bytes_model, blob) == content


def test_bytes_that_the_model_never_saw_cost_little_more_than_their_entropy(bytes_model):
    content = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    assert len(stream(bytes_model, content)) < 1.03 * len(content)


def test_what_a_file_repeats_costs_little(bytes_model):
    words = np.random.default_rng(0).integers(97, 123, (40, 7), dtype=np.uint8)
    content = words[np.random.default_rng(1).integers(0, 40, 3000)].tobytes()
    assert len(stream(bytes_model, content, runner="eager")) < len(lzma.compress(content))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_row_costs_at_most_a_bit_above_the_model(share):
    """Where counts help, where they cannot, and where they mislead at first."""
    generator, rows, steps, levels = torch.Generator().manual_seed(0), 4, 300, 16
    contexts = Contexts(levels, rows, rows * steps)
    cost = torch.zeros(rows, dtype=torch.float64)
    for t in range(steps):
        sharp = torch.softmax(8 * torch.randn(rows, levels, generator=generator, dtype=torch.float64), -1)
        drawn = torch.multinomial(sharp, 1, generator=generator)[:, 0]
        # What repeats is no news to counts, all else they cannot know.
        symbols = torch.where(torch.rand(rows, generator=generator) < share, drawn, t % 3)
        p = torch.lerp(sharp, torch.full_like(sharp, 1 / levels), 0.1)
        told = contexts.mix(p).gather(1, symbols[:, None])[:, 0]
        cost += p.gather(1, symbols[:, None])[:, 0].log2() - told.log2()
        contexts.see(symbols, torch.ones(rows, dtype=torch.bool))
    assert (cost <= 1 + 1e-6).all()
    assert share == 1 or (cost < -100).all()


def test_long_streams_are_cut_into_blocks(bytes_model):
    content = b"abracadabra" * 4000
    blob = stream(bytes_model, content, workers=2, runner="eager")
    sizes = []
    assert unstream(bytes_model, blob, workers=2, progress=sizes.append) == content
    assert sizes == [4096 * 8, len(content)]


def test_a_sound_keeps_each_sample():
    torch.manual_seed(0)
    model = cr.create_model(
        "wavenet", cr.Domain.sequence(8, 65536, lengths="given"), channels=4, skip=4, depth=2
    )
    content = np.random.default_rng(0).integers(0, 65536, 70).astype("<u2").tobytes()
    target = io.BytesIO()
    header = decompress_stream(model.eval(), io.BytesIO(stream(model, content, "sound", rate=8000)), target)
    assert (header.rate, target.getvalue()) == (8000, content)


def test_a_folder_comes_back(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_bytes(b"hello")
    (tmp_path / "in" / "sub" / "ä").write_bytes(b"")
    packed = Packed(tmp_path / "in")
    assert unpack(io.BytesIO(packed.read(7) + packed.read(1000)), tmp_path / "out") == 2
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"hello"
    assert (tmp_path / "out" / "sub" / "ä").read_bytes() == b""


def test_what_can_be_executed_still_can(tmp_path):
    (tmp_path / "in").mkdir()
    for name, mode in (("run", 0o755), ("mine", 0o700), ("text", 0o644)):
        (tmp_path / "in" / name).write_text(name)
        (tmp_path / "in" / name).chmod(mode)
    before = os.umask(0o027)
    try:
        unpack(io.BytesIO(Packed(tmp_path / "in").read(1000)), tmp_path / "out")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {"run": 0o750, "mine": 0o750, "text": 0o640}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\\b", "backslash"),
        ("C:", "a drive or a stream"),
        ("notes.txt:more", "a drive or a stream"),
        ("nul", "a device"),
        ("COM1.txt", "a device"),
        ("lpt².tar.gz", "a device"),
        ("dot.", "dot or space"),
        ("space ", "dot or space"),
        ("two\nlines", "a character"),
        ("what?", "a character"),
        (b"latin-\xe4", "not valid UTF-8"),
    ],
)
@pytest.mark.parametrize("below", ["", "sub"])
def test_a_name_that_could_not_be_unpacked_is_not_packed(tmp_path, name, why, below):
    folder = os.fsencode(tmp_path / "in" / below)
    os.makedirs(folder)
    with open(os.path.join(folder, os.fsencode(name)), "wb"):
        pass
    with pytest.raises(ChainruleError, match=why) as refused:
        Packed(tmp_path / "in")
    assert "\n" not in str(refused.value)  # one line, whatever is in the name
    str(refused.value).encode()


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=8).filter(
        lambda n: n not in (".", "..")
    )
)
def test_what_is_packed_is_unpacked_under_the_same_name(name):
    if fault_of(name, windows=True) is None:
        packed = varint(len(name.encode())) + name.encode() + b"\x00\x00"
        with tempfile.TemporaryDirectory() as folder:
            assert unpack(io.BytesIO(packed), Path(folder) / "out") == 1
            assert os.listdir(Path(folder) / "out") == [name]


def test_names_that_devices_do_not_have_are_packed():
    for name in ("console", "com10", "nul1", ".con", "aux-1.txt", "a..b", " a", "ä/é", "x/.git/HEAD"):
        assert fault_of(name, windows=True) is None, name


def test_a_file_that_grows_while_it_is_packed_is_refused(tmp_path):
    path = tmp_path / "in" / "log"
    path.parent.mkdir()
    path.write_bytes(b"one")
    for content in (b"one and two", b"o"):
        packed = Packed(path.parent)
        with path.open("wb") as file:
            file.write(content)
        with pytest.raises(ChainruleError, match="changed while it was read"):
            packed.read(1000)
        path.write_bytes(b"one")


@pytest.mark.parametrize("name", [b"../x", b"/x", b"a/../../x", b"\xff", b"a\\x", b"a\0b"])
def test_a_path_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(CodeError):
        unpack(io.BytesIO(bytes([len(name)]) + name + b"\x01x\x00"), tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.iterdir())


# --- what is refused -----------------------------------------------------------------------------


def test_damage_is_refused_before_anything_is_decoded(bytes_model):
    blob = stream(bytes_model, b"hello")
    for place in range(len(blob)):
        for other in (blob[:place], blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]):
            with pytest.raises(CodeError, match=r"truncated|something else|too few"):
                unstream(bytes_model, other)


def test_another_model_and_other_versions_are_refused_by_name(bytes_model, monkeypatch):
    blob = stream(bytes_model, b"hello", portable=False)
    torch.manual_seed(1)
    other = cr.create_model("gru", bytes_model.domain, width=8).eval()
    with pytest.raises(CodeError, match="another model"):
        unstream(other, blob)
    monkeypatch.setattr(torch, "__version__", "9.8.7+cpu")
    with pytest.raises(CodeError, match=r"coded with torch .*, expected 9\.8\.7"):
        unstream(bytes_model, blob)
    assert unstream(bytes_model, blob, anyway=True) == b"hello"


def signed(content):
    """Bytes of a file with a right checksum behind them, as somebody would make who altered it."""
    return content + zlib.crc32(content).to_bytes(4, "little")


def test_the_end_of_a_file_is_checked(bytes_model):
    """Its 0, the check of the last block again, and nothing behind: each by itself, with a right checksum."""
    blob = stream(bytes_model, b"hello")
    body, check, decoded = blob[:-4], blob[-8:-4], []
    assert signed(body) == blob and body[-5] == 0
    for other in (
        body[:-4] + bytes([check[0] ^ 1]) + check[1:],
        body[:-1],
        body[:-5],
        body + b"\0",
        body + check,
        body + body[-5:],
    ):
        with pytest.raises(CodeError, match="truncated or altered"):
            unstream(bytes_model, signed(other), progress=decoded.append)
    # Without blocks it is the check of the header.
    empty = stream(bytes_model, b"")
    assert unstream(bytes_model, empty) == b""
    with pytest.raises(CodeError, match="truncated or altered"):
        unstream(bytes_model, signed(empty[:-8] + bytes([empty[-8] ^ 1]) + empty[-7:-4]))


def test_a_block_may_not_be_left_out():
    model = cr.create_model("independent", cr.Domain.binary(100)).eval()
    x = torch.randint(2, (5242, 100), generator=torch.Generator().manual_seed(0))
    blob, head = cr.compress(model, x), len(cr.compress(model, x[:0])) - 9
    half = (len(blob) - 9 - head) // 2
    for rest in (blob[head : head + half], blob[head + half : -9], b""):  # the first alone, the second, none
        with pytest.raises(CodeError):
            cr.decompress(model, signed(blob[:head] + rest + blob[-9:-4]))


@pytest.mark.parametrize("kind", ["items", "file"])
def test_the_rows_of_a_block_are_counted(bytes_model, kind):
    """More than a block may have are refused before anything is decoded; one more or fewer is other rows."""
    if kind == "file":
        content, blob, most = b"hello", stream(bytes_model, b"hello"), 4096 * 8
        read, head = lambda other: unstream(bytes_model, other), len(stream(bytes_model, b"")) - 9
    else:
        model = cr.create_model("independent", cr.Domain.binary(100)).eval()
        content, most = torch.zeros(5, 100, dtype=torch.int64), 2621
        blob, head = cr.compress(model, content), len(cr.compress(model, content[:0])) - 9
        read = lambda other: cr.decompress(model, other)  # noqa: E731
    assert blob[head] == len(content) == 5
    for rows in (4, 6, most):
        with pytest.raises(CodeError):
            read(signed(blob[:head] + varint(rows) + blob[head + 1 : -4]))
    for rows in (most + 1, 1 << 40):
        with pytest.raises(CodeError, match="truncated or altered"):
            read(signed(blob[:head] + varint(rows) + blob[head + 1 : -4]))


def test_blocks_in_another_order_are_refused():
    model = cr.create_model("independent", cr.Domain.binary(100)).eval()
    x = torch.randint(2, (5242, 100), generator=torch.Generator().manual_seed(0))
    blob, empty = cr.compress(model, x), cr.compress(model, x[:0])
    start, end = len(empty) - 9, len(blob) - 9
    half = (end - start) // 2
    assert half * 2 == end - start  # the same number of rows of fair coins
    swapped = blob[:start] + blob[start + half : end] + blob[start : start + half] + blob[end:-4]
    swapped += zlib.crc32(swapped).to_bytes(4, "little")
    with pytest.raises(CodeError):
        cr.decompress(model, swapped)


@pytest.fixture(scope="module")
def coins():
    """A model of fair coins, items, a container of two blocks of these, and where in it each block begins."""
    model = cr.create_model("independent", cr.Domain.binary(100)).eval()
    x = torch.randint(2, (4000, 100), generator=torch.Generator().manual_seed(0))
    # A 0, a check and a checksum end a file.
    blobs = [cr.compress(model, x[:n], runner="eager") for n in (0, block_rows(model.domain), len(x))]
    return model, x, blobs[2], [len(blob) - 9 for blob in blobs[:2]]


def sealed(blob):
    """A container whose last four bytes are the checksum of the others."""
    return blob + zlib.crc32(blob).to_bytes(4, "little")


def test_a_container_that_lacks_its_last_blocks_is_refused(coins):
    """A file that ends where a block does has a right checksum; that it is not all the check at its end says."""
    model, _, blob, starts = coins
    for start in starts:
        with pytest.raises(CodeError, match="truncated or altered"):
            cr.decompress(model, sealed(blob[:start] + blob[-9:-4]))


def test_a_container_that_goes_on_behind_its_end_is_refused(coins):
    model, x, blob, _ = coins
    assert torch.equal(cr.decompress(model, sealed(blob[:-4])), x)
    for more in (b"\0", blob[-9:-4], b"more"):
        with pytest.raises(CodeError, match="truncated or altered"):
            cr.decompress(model, sealed(blob[:-4] + more))


def test_a_container_that_spells_a_number_at_length_is_refused(coins):
    model, _, blob, _ = coins
    with pytest.raises(CodeError, match="truncated or altered"):
        cr.decompress(model, sealed(blob[:-9] + b"\x80\0" + blob[-8:-4]))


def test_a_container_of_other_bits_is_refused_whatever_its_checksum(coins):
    model, _, blob, starts = coins
    for place in range(starts[0] + 20, len(blob) - 9, 9001):
        other = blob[:place] + bytes([blob[place] ^ 16]) + blob[place + 1 : -4]
        with pytest.raises(CodeError):
            cr.decompress(model, sealed(other))


def test_a_container_of_other_items_than_were_coded_is_refused(coins):
    """Whose first block has another check than its items."""
    model, _, blob, (start, end) = coins
    place = start + len(varint(block_rows(model.domain))) + len(varint(end - start))
    other = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 : -4]
    with pytest.raises(CodeError, match="the decoded items differ from those that were coded"):
        cr.decompress(model, sealed(other))


def test_the_rows_of_blocks_are_counted_before_any_is_decoded():
    model = cr.create_model("independent", cr.Domain.binary(8)).eval()
    blob = cr.compress(model, torch.zeros(5, 8, dtype=torch.int64))
    (block,) = Reader(io.BytesIO(blob)).blocks(5)
    assert block.rows == 5
    with pytest.raises(CodeError, match="truncated or altered"):
        list(Reader(io.BytesIO(blob)).blocks(4))


def test_mutants_are_refused():
    told = _module(ROOT / "fuzz" / "compressed.py").fuzz(mutants=1000, seed=7)
    assert sum(told["refused"].values()) + told["unchanged"] == 1000


def test_random_items_of_random_domains_come_back():
    tried = _module(ROOT / "fuzz" / "roundtrip.py").fuzz(examples=60, first=1)["tried"]
    assert tried["examples"] >= 60 and len([name for name in tried if name.startswith("model")]) >= 8


@given(st.integers(-(2**54), 2**54))
def test_zigzag(number):
    assert zigzag(number) >= 0 and unzigzag(zigzag(number)) == number


# --- the command line ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("coding")
    (root / "words.txt").write_bytes(b"the cat sat on the mat\n" * 40)
    (root / "people.csv").write_text(
        "age,sex\n" + "".join(f"{20 + i % 50},{'fm'[i % 2]}\n" for i in range(60))
    )
    quick = ("--device", "cpu", "--json")
    for name, data, *more in (
        ("independent", "words.txt", "--domain", "sequence:8:256"),
        ("made", "people.csv", "--column", "age=integer", "--set", "hidden=[8]", "--set", "steps=20"),
    ):
        ended = call("train", name, "--data", root / data, *more, *quick, "--out", root / name)
        assert ended.status == 0, ended.err
    return root


def test_a_file_and_a_folder_by_the_command_line(runs, tmp_path):
    source = tmp_path / "any.bin"
    source.write_bytes(bytes(range(256)) * 3)
    told = call("compress", runs / "independent", source, "-o", tmp_path / "x.chr", "--json").json
    assert told["bytes"] == 768 and told["compressed"] == (tmp_path / "x.chr").stat().st_size
    assert call("decompress", runs / "independent", tmp_path / "x.chr", "-o", tmp_path / "y.bin").status == 0
    assert (tmp_path / "y.bin").read_bytes() == source.read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"a")
    assert call("compress", runs / "independent", tmp_path / "in", "-o", tmp_path / "f.chr").status == 0
    assert call("decompress", runs / "independent", tmp_path / "f.chr", "-o", tmp_path / "out").status == 0
    assert (tmp_path / "out" / "a").read_bytes() == b"a"
    error = call("decompress", runs / "independent", source, "-o", tmp_path / "z").error
    assert "something else" in error and not (tmp_path / "z").exists()


def test_a_table_by_the_command_line(runs, tmp_path):
    table = runs / "people.csv"
    assert call("compress", runs / "made", table, "-o", tmp_path / "x.chr").status == 0
    assert call("decompress", runs / "made", tmp_path / "x.chr", "-o", tmp_path / "y.csv").status == 0
    assert (tmp_path / "y.csv").read_text() == table.read_text()
    assert (
        "expected the ending"
        in call("decompress", runs / "made", tmp_path / "x.chr", "-o", tmp_path / "y.png").error
    )
    assert "truncated or altered" in _cut(runs / "made", tmp_path)


def _cut(run, folder):
    (folder / "cut.chr").write_bytes((folder / "x.chr").read_bytes()[:-3])
    return call("decompress", run, folder / "cut.chr", "-o", folder / "y.csv").error


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        *("image", "lengths", "categories", "file", "sound"),
        *("file-2", "file-4", "folder-2", "folder-3", "text-3", "image-3"),
    ],
)
def test_golden_files_are_read(name):
    golden = _module(ROOT / "tests" / "golden" / "write.py")
    blob, content = (golden.HERE / f"{name}.chr").read_bytes(), golden.content_of(name)
    kind, version = name.split("-")[0], int(name[-1]) if "-" in name else 1
    kinds = ["items", "file", "folder", "sound", "text"]
    assert unpack_about(Reader(io.BytesIO(blob)).header.about) == golden.ABOUT.get(name, {})
    place = kinds.index(kind if kind in kinds else "items")
    assert blob[:6] == b"\x89CHR" + bytes([version, 3 * place + 2 if version == 4 else 2 * place])
    if isinstance(content, bytes):
        assert unstream(golden.model_of(name), blob, anyway=True) == content
    else:
        assert torch.equal(cr.decompress(golden.model_of(name), blob, anyway=True), content)


@pytest.mark.parametrize("version", [2, 3])
def test_golden_folders_are_unpacked(version, tmp_path):
    golden = _module(ROOT / "tests" / "golden" / "write.py")
    assert unpack(io.BytesIO(golden.content_of(f"folder-{version}")), tmp_path / "out", version) == 3
    for path, (content, executable) in golden.FILES.items():
        assert (tmp_path / "out" / path).read_bytes() == content
        assert os.access(tmp_path / "out" / path, os.X_OK) == (executable and version > 2)


@pytest.mark.parametrize("portable", [True, False])
def test_classes_come_back_with_the_items(portable):
    model = cr.create_model(
        "pixelcnn", cr.Domain.image(1, 4, 4, levels=3), classes=3, channels=8, depth=1, last=8
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(3, (5, 1, 4, 4), generator=generator)
    classes = torch.tensor([0, 2, 1, 1, 2])
    blob = cr.compress(model.eval(), x, classes, portable=portable)
    found, labels = cr.decompress(model, blob, labels=True)
    assert torch.equal(found, x) and torch.equal(labels, classes)

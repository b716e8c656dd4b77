"""Code random items of random domains by random models: each must come back, at the length that the model states.

    python fuzz/roundtrip.py --examples 10000 --seed 0

Hypothesis draws a domain of any kind, a model that serves it with weights of any size, items that need not be likely,
their classes, and a runner; or bytes as a file. What fails is made as small as can be, and printed.
"""

import argparse
import io
import json
import math
import time
from collections import Counter

import torch
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

import chainrule as cr
from chainrule.coding.streams import compress_stream, decompress_stream
from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.models import hyperparameters_of, tiny_model
from chainrule.models.base.capabilities import Marginalises
from chainrule.models.base.model import Model
from chainrule.testing.coding import BYTES, SHARE

# Every kind of net.
OF_IMAGES = ("pixelcnn", "gated-pixelcnn", "pixelcnn-plus-plus", "row-lstm", "diagonal-bilstm", "conv-nade")
MODELS = (
    "uniform",
    "independent",
    "count-table",
    "fvsbn",
    "made",
    "nade",
    "finite-memory",
    "causal-conv1d",
    "tcn",
    "wavenet",
    "transformer",
    "rnn",
    "lstm",
    "gru",
    "deep-nade",
    *OF_IMAGES,
)
BYTES_MODELS = ("uniform", "independent", "gru", "wavenet", "transformer")
LEVELS = (2, 3, 5, 17, 256)


@st.composite
def columns(draw: DrawFn) -> tuple[Column, ...]:
    """Of a table: categories and whole numbers, with and without gaps."""
    found = []
    for d in range(draw(st.integers(1, 4))):
        categories = tuple(f"c{k}" for k in range(draw(st.sampled_from((0, 2, 3, 7)))))
        kind = "categorical" if categories else "integer"
        found.append(Column(f"x{d}", kind, categories, missing=draw(st.booleans())))
    return tuple(found)


@st.composite
def domains(draw: DrawFn) -> Domain:
    """Of every kind that can be coded."""
    kind = draw(st.sampled_from(("binary", "categorical", "sequence", "image", "table")))
    levels, small = draw(st.sampled_from(LEVELS)), st.integers(1, 4)
    if kind == "binary":
        return Domain.binary(draw(st.integers(1, 9)))
    if kind == "categorical":
        size = draw(st.integers(1, 5))
        each = draw(st.lists(st.sampled_from(LEVELS), min_size=size, max_size=size))
        return Domain.categorical(size, draw(st.sampled_from((levels, tuple(each)))))
    if kind == "sequence":
        lengths = draw(st.sampled_from(("fixed", "ends", "given")))
        width = None if lengths == "ends" else draw(st.sampled_from((None, None, 3)))
        return Domain.sequence(draw(st.integers(1, 8)), levels, width=width, lengths=lengths)
    if kind == "image":
        return Domain.image(draw(st.sampled_from((1, 3))), draw(small), draw(small), levels)
    return Domain.table(draw(columns()))


@st.composite
def models(draw: DrawFn, domain: Domain, names: tuple[str, ...] = MODELS) -> Model:
    """One that serves a domain; large weights make some of its probabilities all but 0."""
    if domain.layout != "image":
        names = tuple(name for name in names if name not in OF_IMAGES)
    name, options = draw(st.sampled_from(names)), {}
    if "classes" in hyperparameters_of(name) and draw(st.integers(0, 3)) == 0:
        options["classes"] = 3
    if "ordering" in hyperparameters_of(name) and domain.lengths == "fixed":
        options["ordering"] = draw(st.sampled_from(("natural", "natural", "reversed", "random-1")))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw(st.integers(0, 2**16)))
            model = tiny_model(name, domain, **options).eval()
    except cr.errors.ChainruleError:
        assume(False)
    scale = draw(st.sampled_from((1.0, 1.0, 5.0, 30.0)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


@st.composite
def items(draw: DrawFn, domain: Domain) -> torch.Tensor:
    """Up to 40 of a domain, evenly distributed; whole numbers of any size."""
    n, generator = draw(st.integers(0, 40)), torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    if not domain.columns:
        tops = torch.tensor(domain.levels_per_variable).double()
        x = (torch.rand(n, domain.size, generator=generator, dtype=torch.float64) * tops).long()
        x = domain.canonicalise(x.reshape(n, *domain.event_shape))
        if domain.lengths == "given":
            steps = torch.randint(domain.steps + 1, (n,), generator=generator)
            behind = torch.arange(domain.steps) >= steps[:, None]
            x = x.masked_fill(behind.reshape(n, domain.steps, *[1] * (len(domain.event_shape) - 1)), -1)
        return x
    cells = torch.empty(n, len(domain.columns), dtype=torch.float64)
    for d, column in enumerate(domain.columns):
        most = draw(st.sampled_from((1, 10, 10**6, 2**53 - 1)))
        own = torch.rand(n, generator=generator, dtype=torch.float64)
        whole = ((2 * own - 1) * most).round()
        cells[:, d] = (own * len(column.categories)).floor() if column.categories else whole
        gaps = torch.rand(n, generator=generator) < 0.2
        cells[:, d] = torch.where(gaps & torch.tensor(column.missing), torch.nan, cells[:, d])
    return cells


def comes_back(model: Model, x: torch.Tensor, cond: torch.Tensor | None, runner: str) -> None:
    """Items come back with their classes, and cost what the model says.

    Raises:
        AssertionError: if not.
    """
    blob = cr.compress(model, x, cond, runner=runner)
    found, labels = cr.decompress(model, blob, labels=True)
    assert found.shape == x.shape and torch.equal(found.isnan(), x.isnan())
    assert torch.equal(found.nan_to_num(), x.nan_to_num()), "other items"
    assert cond is None or torch.equal(labels, cond), "other classes"
    if len(x) and not model.domain.columns:
        nats = -model.log_prob(x, cond).double()
        sides = 0.0 if cond is None else len(x) * math.log(3)
        if model.domain.lengths == "given":
            sides += len(x) * math.log(model.domain.steps + 1)
        # Beyond 24 bits a variable a file is shorter than the model says.
        most = (nats.sum().item() * (1 + SHARE) + sides) / math.log(2) / 8 + BYTES
        assert len(blob) <= most, f"{len(blob)} bytes, expected at most {most:.1f}"


def file_comes_back(model: Model, content: bytes, runner: str) -> None:
    """Bytes come back.

    Raises:
        AssertionError: if not.
    """
    packed, back = io.BytesIO(), io.BytesIO()
    compress_stream(model, io.BytesIO(content), packed, runner=runner)
    decompress_stream(model, io.BytesIO(packed.getvalue()), back)
    assert back.getvalue() == content, "other bytes"


def fuzz(examples: int, first: int | None = None) -> dict:
    """Try so many examples; how many of which kind.

    Args:
        examples: how many.
        first: the seed; by default a new one each time.

    Raises:
        AssertionError: if one does not come back.
    """
    tried: Counter[str] = Counter()
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=slow)
    @given(st.data())
    def example(data: st.DataObject) -> None:
        # To compile for the native runner takes seconds, so it is asked for now and then.
        runner = "native" if data.draw(st.integers(0, 99)) == 50 else "eager"
        if data.draw(st.integers(0, 9)) == 5:
            model = data.draw(models(Domain.sequence(data.draw(st.integers(1, 9)), 256), BYTES_MODELS))
            assume(not model.conditional and model.factorisation.ordering.is_identity)
            content = data.draw(st.binary(max_size=300)) * data.draw(st.sampled_from((1, 1, 1, 7)))
            file_comes_back(model, content, runner)
            domain = "file"
        else:
            model = data.draw(data.draw(domains().map(models)))
            x = data.draw(items(model.domain))
            if isinstance(model, Marginalises):
                x = x.nan_to_num(0)
            cond = torch.arange(len(x)) % 3 if model.conditional else None
            comes_back(model, x, cond, runner)
            domain = f"{model.domain.layout}, {model.domain.lengths}"
        tried.update([f"model {model.name}", f"domain {domain}", f"runner {runner}", "examples"])

    start = time.perf_counter()
    (example if first is None else seed(first)(example))()
    return {
        "seed": first,
        "tried": dict(sorted(tried.items())),
        "failed": 0,
        "seconds": round(time.perf_counter() - start, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, dest="first")
    print(json.dumps(fuzz(**vars(parser.parse_args())), indent=2))

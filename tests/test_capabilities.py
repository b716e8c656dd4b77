"""What models can do, which they say by what they inherit."""

import copy
import pickle

import pytest
import torch

import chainrule as cr
from chainrule.engine import rows
from chainrule.errors import ChainruleError, ConditionError
from chainrule.models import MODELS, tiny_model
from chainrule.models.base import capabilities
from chainrule.models.base.capabilities import (
    Bounded,
    ClosedForm,
    Completes,
    Exact,
    Factorises,
    Latent,
    Marginalises,
    Reconstructs,
    Samples,
    Sequential,
)
from chainrule.models.base.flow import Flow
from chainrule.models.base.model import Lacks, Model
from chainrule.models.base.streaming import Streams
from chainrule.models.vae import VAE

VERBS = ("log_prob", "log_prob_bound", "sample", "complete", "reconstruct", "stream")
IMAGE, BITS, REALS = cr.Domain.image(1, 4, 4, levels=2), cr.Domain.binary(4), cr.Domain.vector(3)
ONE = {Exact, Samples, Completes, Sequential, Factorises, Streams}  # what a single factorisation can do
EXPECTED = {
    ("made", BITS): ONE,
    ("independent", BITS): ONE | {ClosedForm},
    ("deep-nade", BITS): ONE | {Marginalises},
    ("eonade", BITS): {Exact, Samples, Completes, Sequential, Marginalises},
    ("made-ensemble", BITS): {Exact, Samples, Completes, Sequential},
    ("vae", BITS): {Bounded, Samples, Completes, Reconstructs, Latent},
    ("vq-vae", IMAGE): {Bounded, Samples, Reconstructs},
    ("vrnn", cr.Domain.sequence(4, 3)): {Bounded, Samples},
    ("pixelcnn-autoencoder", IMAGE): {Reconstructs},
    ("realnvp", REALS): {Exact, Samples, Latent},
    ("realnvp", BITS): {Bounded, Samples, Latent},
}
SAMPLED = [case for case, able in EXPECTED.items() if Samples in able]


def ids(case):
    return f"{case[0]}-{case[1]}"


def model_classes():
    for entry in MODELS.values():
        assert issubclass(entry.model, Model)  # imports it
    found, left = set(), [Model]
    while left:
        found.add(left.pop())
        left += [cls for kind in list(found) for cls in kind.__subclasses__() if cls not in found]
    return [cls for cls in found if cls.__module__.startswith("chainrule.")]


@pytest.mark.parametrize("case", EXPECTED, ids=ids)
def test_a_model_can_do_what_it_inherits(case):
    name, domain = case
    able = set().union(*EXPECTED.values())
    model = cr.create_model(name, domain)
    assert {kind for kind in able if isinstance(model, kind)} == EXPECTED[case]


def test_verbs_are_written_in_one_place():
    """Families override `_draw` and its like, never the verb that checks the arguments; some say that they lack it."""
    classes = model_classes()
    assert len(classes) > 50
    for cls in classes:
        own = [verb for verb in VERBS if verb in vars(cls) and not isinstance(vars(cls)[verb], Lacks)]
        assert not own or cls.__module__ == capabilities.__name__ or cls is Streams, (cls, own)


def test_a_verb_that_is_not_there_says_what_to_use_instead():
    assert not hasattr(VAE, "log_prob") and not hasattr(Bounded, "log_prob")
    model = cr.create_model("vae", BITS, latent=2, hidden=4)
    assert not hasattr(model, "log_prob") and getattr(model, "log_prob", None) is None
    assert hasattr(model, "log_prob_bound") and not hasattr(model, "lob_prob")
    with pytest.raises(AttributeError, match="object has no attribute 'lob_prob'"):
        model.lob_prob  # noqa: B018
    with pytest.raises(AttributeError, match=r"^vae has no exact likelihood: "):
        model.log_prob  # noqa: B018
    with pytest.raises(
        ChainruleError, match=r"^vae has no exact likelihood: .*use log_prob_bound\(x, samples=K\)$"
    ):
        model.log_prob(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(ChainruleError, match=r"^made has no closed-form estimate; use chainrule.fit$"):
        cr.create_model("made", BITS).estimate(torch.zeros(1, 4, dtype=torch.int64))


@pytest.mark.parametrize("case", SAMPLED, ids=ids)
def test_every_model_refuses_the_same_bad_arguments(case):
    model = cr.create_model(*case)
    for n in (-1, 1.5):
        with pytest.raises(ChainruleError, match="n: expected a number of items ≥ 0, got"):
            model.sample(n)
    with pytest.raises(ChainruleError, match="temperature: expected"):
        model.sample(1, temperature=-1.0)
    with pytest.raises(ChainruleError, match="top_k: expected an integer ≥ 1, got 0"):
        model.sample(1, top_k=0)
    for cond in (1, torch.zeros(1, dtype=torch.int64)):
        with pytest.raises(ConditionError, match="cond: expected None, the model is unconditional"):
            model.sample(1, cond)
    if isinstance(model, Completes):
        known = torch.ones(4, dtype=torch.bool)
        with pytest.raises(ChainruleError, match="particles: expected an integer ≥ 1, got 0"):
            model.complete(torch.zeros(1, 4, dtype=torch.int64), known, particles=0)


@pytest.mark.parametrize("name", MODELS)
def test_items_drawn_in_parts_are_those_drawn_at_once(name, monkeypatch):
    model = tiny_model(name).eval()
    if not isinstance(model, Samples):
        return
    whole = model.sample(11, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(capabilities, "FEW", 0)
    monkeypatch.setattr(rows, "MOST_ROWS", 4)
    parts = list(model.sample_parts(11, generator=torch.Generator().manual_seed(0)))
    assert [len(part) for part in parts] == [4, 4, 3]
    assert torch.allclose(torch.cat(parts).double(), whole.double(), atol=1e-5)
    assert torch.equal(model.sample(11, generator=torch.Generator().manual_seed(0)), torch.cat(parts))


def test_rows_drawn_at_once_have_small_states():
    model = cr.create_model("transformer", cr.Domain.sequence(256, 64), channels=64, depth=2)
    each = rows.state_bytes(model)
    assert each >= 2 * 2 * 256 * 64 * 4  # keys and values
    assert rows.rows_at_once(model, each) == rows.HELD // each
    assert (
        rows.rows_at_once(model, rows.HELD * 2) == 1 and rows.rows_at_once(model) == rows.HELD // 256 // 512
    )


@pytest.mark.parametrize("domain", [BITS, REALS], ids=str)
@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_flow_stays_of_its_kind_when_copied(domain, again):
    flow = cr.create_model("nice", domain, hidden=[4])
    other = again(flow)
    assert type(other) is type(flow) and isinstance(other, Flow)
    assert isinstance(other, Exact) == (not domain.discrete)
    drawn = [model.sample(3, generator=torch.Generator().manual_seed(0)) for model in (flow, other)]
    assert torch.equal(*drawn)
    assert other.bijection is not flow.bijection

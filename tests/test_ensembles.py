"""Ensembles: mixtures of joints, whose members follow different orderings and masks."""

import math

import pytest
import torch

import chainrule as cr
from chainrule import __version__
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError
from chainrule.models import load_model, save_model
from chainrule.tasks import together
from chainrule.testing.subject import randomise

BITS = cr.Domain.binary(4)
ITEMS = torch.cartesian_prod(*[torch.arange(2)] * 4)
TABLE = cr.Domain.table(
    [Column("a", "real", missing=True), Column("b", "categorical", ("x", "y", "z")), Column("c", "integer")]
)
ROWS = torch.tensor([[0.5, 1, 3], [torch.nan, 0, -2], [2.5, 2, 0]], dtype=torch.float64)
KINDS = {
    "made-ensemble": {"masks": 3, "orderings": 3, "hidden": [8, 8]},
    "made-committee": {"members": 3, "orderings": 3, "hidden": [8, 8]},
    "eonade": {"orderings": 3, "hidden": [8, 8]},
}
ONE = {
    "made-ensemble": {"masks": 3, "orderings": 1, "hidden": [8, 8]},
    "made-committee": {"members": 3, "orderings": 1, "hidden": [8, 8]},
}


def build(name, options, domain=BITS, size=1.5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = cr.create_model(name, domain, **options)
    randomise(model, torch.Generator().manual_seed(0), size)
    return model.double().eval()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("domain, x", [(BITS, ITEMS), (TABLE, ROWS)], ids=["bits", "table"])
def test_joints_are_averaged(name, domain, x):
    model = build(name, KINDS[name], domain, 0.5)
    joints = torch.stack([model.member(k).log_prob(x) for k in range(3)])
    torch.testing.assert_close(model.log_prob(x), joints.logsumexp(0) - math.log(3))
    assert not torch.allclose(joints[0], joints[1]) and not torch.allclose(joints[1], joints[2])


@pytest.mark.parametrize("name", ONE)
def test_terms_under_one_ordering_are_causal_and_add_up(name):
    model = build(name, ONE[name])
    terms = model.log_prob(ITEMS, reduce=False)
    torch.testing.assert_close(terms.sum(1), model.log_prob(ITEMS))
    for d in range(4):
        later = ITEMS.clone()
        later[:, d + 1 :] = 1 - later[:, d + 1 :]
        torch.testing.assert_close(model.log_prob(later, reduce=False)[:, : d + 1], terms[:, : d + 1])
        # Each is a conditional: over the values of x_d it sums to 1.
        other = ITEMS.clone()
        other[:, d] = 1 - other[:, d]
        both = terms[:, d].exp() + model.log_prob(other, reduce=False)[:, d].exp()
        torch.testing.assert_close(both, torch.ones_like(both))


@pytest.mark.parametrize("name", KINDS)
def test_several_orderings_have_no_terms(name):
    with pytest.raises(cr.errors.ChainruleError, match="reduce: an ensemble over orderings has no term"):
        build(name, KINDS[name]).log_prob(ITEMS, reduce=False)


@pytest.mark.parametrize("name", KINDS)
def test_members_follow_different_orderings(name):
    model = build(name, KINDS[name], cr.Domain.binary(6))
    orders = [tuple(model.member(k).ordering.variables.tolist()) for k in range(3)]
    assert orders[0] == tuple(range(6)) and len(set(orders)) == 3
    x = torch.randint(2, (8, 6), generator=torch.Generator().manual_seed(0))
    for k in range(3):  # the last variable of a member's ordering moves its own term alone
        member, other = model.member(k), x.clone()
        last = member.ordering.variables[-1]
        other[:, last] = 1 - other[:, last]
        moved = member.log_prob(x, reduce=False) != member.log_prob(other, reduce=False)
        assert moved.any(0).nonzero().flatten().tolist() == [int(last)]


def test_members_of_one_ordering_have_different_masks():
    model = build("made-ensemble", ONE["made-ensemble"])
    joints = [model.member(k).log_prob(ITEMS) for k in range(3)]
    assert not torch.allclose(joints[0], joints[1]) and not torch.allclose(joints[1], joints[2])
    for joint in joints:
        assert joint.exp().sum().item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("residual", [True, False])
def test_a_member_is_a_made_of_permuted_weights(residual):
    model = build("made-ensemble", {**KINDS["made-ensemble"], "residual": residual})
    member = model.member(1)
    plain = cr.create_model(
        "made", BITS, hidden=[8, 8], residual=residual, ordering=member.ordering.variables.tolist()
    )
    plain = plain.double().eval()
    sites, units = model.order(1), torch.Generator().manual_seed(1)
    first = torch.randperm(8, generator=units)
    second = (
        first
        if residual and torch.randperm(8, generator=units) is not None
        else torch.randperm(8, generator=units)
    )
    own, net = model.template.network, plain.network
    with torch.no_grad():
        net.layers[0].weight.copy_(own.layers[0].weight[first][:, sites])
        net.layers[0].bias.copy_(own.layers[0].bias[first])
        net.layers[1].weight.copy_(own.layers[1].weight[second][:, first])
        net.layers[1].bias.copy_(own.layers[1].bias[second])
        net.out.weight.copy_(own.out.weight[sites][:, second])
        net.out.bias.copy_(own.out.bias[sites])
        net.direct.weight.copy_(own.direct.weight[sites][:, sites])
    torch.testing.assert_close(member.log_prob(ITEMS), plain.log_prob(ITEMS))


@pytest.mark.parametrize("name", ["made-ensemble", "eonade"])
def test_the_loss_of_any_member_reaches_the_shared_parameters(name):
    model = build(name, KINDS[name])
    for k in range(3):
        model.zero_grad()
        model.member(k).log_prob(ITEMS).sum().backward()
        for parameter_name, parameter in model.template.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, (k, parameter_name)
    assert {id(p) for p in model.parameters()} == {id(p) for p in model.template.parameters()}


def test_the_loss_is_that_of_members_drawn_at_random():
    model = build("made-ensemble", KINDS["made-ensemble"])
    joints = [-model.member(k).log_prob(ITEMS) for k in range(3)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        losses = [model.loss(ITEMS) for _ in range(30)]
    drawn = [next(k for k in range(3) if torch.allclose(loss, joints[k])) for loss in losses]
    assert set(drawn) == {0, 1, 2}


def test_members_of_a_committee_move_their_own_parameters_alone():
    model = build("made-committee", KINDS["made-committee"])
    model.member(1).log_prob(ITEMS).sum().backward()
    for k in range(3):
        touched = [p.grad is not None for p in model.models[k].parameters()]
        assert all(touched) if k == 1 else not any(touched)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("domain, x", [(BITS, ITEMS), (TABLE, ROWS)], ids=["bits", "table"])
def test_saved_and_loaded(name, domain, x, tmp_path):
    model = build(name, KINDS[name], domain, 0.5)
    model.prepare(x)
    save_model(model, tmp_path, version=__version__)
    again = load_model(tmp_path)
    assert torch.equal(again.log_prob(x), model.log_prob(x))
    drawn = [m.sample(9, generator=torch.Generator().manual_seed(1)).nan_to_num(99) for m in (model, again)]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("orderings", [1, 3])
def test_why_joints_are_mixed_and_not_logits(orderings):
    """A product of conditionals made of logits averaged over orderings is no distribution."""
    model = build("made-ensemble", {**KINDS["made-ensemble"], "orderings": orderings}, size=4.0)
    signs = torch.where(ITEMS > 0, 1.0, -1.0)
    terms = torch.stack([model.member(k).log_prob(ITEMS, reduce=False) for k in range(3)])
    logits = torch.log(terms.exp() / -torch.expm1(terms)) * signs  # of x_d = 1
    total = torch.nn.functional.logsigmoid(logits.mean(0) * signs).sum(1).exp().sum().item()
    assert model.log_prob(ITEMS).exp().sum().item() == pytest.approx(1, abs=1e-10)
    assert (abs(total - 1) < 1e-6) == (orderings == 1)
    if orderings > 1:
        assert abs(total - 1) > 1e-2


# --- nets side by side, of one ordering --------------------------------------------------------------

PAIR = [{"model": "fvsbn"}, {"model": "made", "hidden": [8, 8]}]


def test_conditionals_are_geometric_means():
    models = [build(member["model"], {k: v for k, v in member.items() if k != "model"}) for member in PAIR]
    both = together(models)
    terms = torch.stack([model.log_prob(ITEMS, reduce=False) for model in models])
    flipped = torch.stack(  # the same of the other value of each variable
        [torch.log1p(-model.log_prob(ITEMS, reduce=False).exp()) for model in models]
    )
    mean, other = terms.mean(0), flipped.mean(0)
    torch.testing.assert_close(both.log_prob(ITEMS, reduce=False), mean - torch.logaddexp(mean, other))
    assert both.log_prob(ITEMS).exp().sum().item() == pytest.approx(1)


def test_one_net_twice_is_that_net():
    model = build("causal-conv1d", {"channels": 8})
    torch.testing.assert_close(together([model, model]).log_prob(ITEMS), model.log_prob(ITEMS))


@pytest.mark.parametrize(
    "members, words",
    [
        ([], "expected one model or more"),
        ([{"hidden": [8]}], "expected the name of each as `model`"),
        ([{"model": "vae"}], "expected autoregressive models of levels with logits, a softmax, got VAE"),
        (
            [{"model": "fvsbn"}, {"model": "made", "ordering": "reversed"}],
            "expected one ordering, got several",
        ),
        ([{"model": "fvsbn"}, {"model": "made", "classes": 3}], "expected one condition, got integer labels"),
    ],
)
def test_what_does_not_go_together_is_refused(members, words):
    with pytest.raises(ChainruleError, match=f"members: {words}"):
        cr.create_model("ensemble", BITS, members=members)


def test_blocks_and_pixels_do_not_go_together():
    domain = cr.Domain.image(1, 4, 4, levels=2)
    members = [{"model": "pixelcnn", "channels": 4, "depth": 1, "block": block} for block in (1, 2)]
    with pytest.raises(ChainruleError, match="expected the same sites and logits, got Joint of 4 variables"):
        cr.create_model("ensemble", domain, members=members)


def test_numbers_are_not_averaged():
    with pytest.raises(ChainruleError, match="members: expected autoregressive models of levels"):
        cr.create_model("ensemble", cr.Domain.vector(3), members=[{"model": "made"}])


def test_too_few_or_of_other_domains():
    models = [cr.create_model("fvsbn", cr.Domain.binary(size)) for size in (3, 4)]
    with pytest.raises(ChainruleError, match="ensemble: expected two models or more, got 1"):
        together(models[:1])
    with pytest.raises(ChainruleError, match=r"expected models of one domain, got vector:3:2 and vector:4:2"):
        together(models)

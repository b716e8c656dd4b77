"""Columns of many categories: softmaxes in two steps, exact and cheap."""

import json
import math

import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule.domain import Column, Domain
from chainrule.domain.column import MOST_PLAIN
from chainrule.errors import DomainError
from chainrule.heads import Categorical, CategoricalConditional, FactoredCategorical, vector_head
from chainrule.heads.factored_conditional import FactoredConditional
from chainrule.layers import Cells
from chainrule.models import tiny_model
from chainrule.tasks.sample_given import sample_given
from chainrule.testing import check_head

GAPS_AND_OTHERS = [(gap, other) for gap in (False, True) for other in (False, True)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def conditional_of(levels=7, batch=5, **options):
    """A conditional with parameters of a usual size, where K = 7 leaves the last group of 3 with one level."""
    head = FactoredCategorical(levels, **options).double()
    torch.nn.init.normal_(head.vectors, generator=generator())
    head.offset.normal_(generator=generator(1))
    params = torch.randn(batch, head.size, dtype=torch.float64, generator=generator(2))
    return head, params, head.step(None, head.init_state(params), 0)[0]


def column(levels, **options):
    return Column("c", "categorical", tuple(range(levels)), **{"factored": True} | options)


def rows_of(codes):
    return torch.tensor(codes, dtype=torch.float64)[:, None]


# --- the distribution -----------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("levels", [1, 2, 4, 7])
def test_the_head_obeys_the_laws(levels, gap):
    check_head(FactoredCategorical(levels, gap=gap))


@pytest.mark.parametrize("gap, other", GAPS_AND_OTHERS)
def test_all_levels_sum_to_one_and_are_scored_as_they_are_alone(gap, other):
    head, params, conditional = conditional_of(gap=gap, other=other)
    levels = torch.arange(7 + gap + other)
    sites = levels[:, None].expand(5, -1, 1)
    alone = head.log_prob(params[:, None].expand(-1, len(levels), -1), sites)[..., 0]
    torch.testing.assert_close(alone.exp().sum(1), torch.ones(5).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(conditional.logits, alone, rtol=0, atol=1e-12)
    if other:
        assert torch.equal(alone[:, 7].exp(), head.unseen.expand(5).log().exp())


def test_a_level_has_the_logit_of_its_query_and_vector_in_its_group():
    head, params, _ = conditional_of()
    groups, query = params[0, :3].log_softmax(0), params[0, 3:]
    logits = torch.stack([query @ head.vectors[1, j] + head.offset[1, j] for j in range(3)])
    expected = groups[1] + logits[2] - logits.exp().sum().log()
    torch.testing.assert_close(head.log_prob(params[:1], torch.tensor([[5]]))[0, 0], expected)


@pytest.mark.parametrize("gap, other", GAPS_AND_OTHERS)
def test_draws_are_the_quantiles_of_all_levels_without_others(gap, other):
    _, _, conditional = conditional_of(batch=1, gap=gap, other=other)
    u = torch.linspace(0, 1 - 1e-9, 5000, dtype=torch.float64)
    plain = CategoricalConditional(conditional.logits.expand(5000, -1), gap, conditional.other)
    many = conditional_of(batch=1, gap=gap, other=other)[2]
    many.groups, many.query = many.groups.expand(5000, -1), many.query.expand(5000, -1)
    assert torch.equal(many.draw(u), plain.draw(u))
    assert torch.equal(many.present().draw(u), plain.present().draw(u))
    present = many.present()
    torch.testing.assert_close(present.logits[0].exp(), plain.present().table()[0][:7])


def test_the_other_rules_are_those_of_a_softmax():
    _, _, conditional = conditional_of(gap=True, other=True)
    plain = CategoricalConditional(conditional.logits, True, 7)
    edges, ends = torch.tensor([[0, 2, 6, 9]]).expand(5, -1), torch.tensor([[1], [4]])
    assert torch.equal(conditional.mode(), plain.mode())
    for own, other in (
        (conditional.table(), plain.table()),
        (conditional.masses(edges), plain.masses(edges)),
        (conditional.tempered(2.0).table(), plain.tempered(2.0).table()),
        (conditional.truncated(3, 0.9).table(), plain.truncated(3, 0.9).table()),
        (conditional.between(*ends).table(), plain.between(*ends).table()),
    ):
        torch.testing.assert_close(own, other)


def test_a_row_touches_one_group_and_a_site_has_few_parameters():
    head = FactoredCategorical(10_000)
    assert head.size == 132
    head.log_prob(torch.randn(2, 132), torch.tensor([[0], [9_999]])).sum().backward()
    assert head.vectors.grad.abs().sum((1, 2)).nonzero().flatten().tolist() == [0, 99]


# --- columns --------------------------------------------------------------------------------------


def test_columns_of_many_categories_have_one_by_default():
    for count in (MOST_PLAIN, MOST_PLAIN + 1):
        own = Column("c", "categorical", tuple(range(count)), other=True, missing=True)
        head = vector_head(Domain.table([own]), [0]).at(0)
        assert own.factored == isinstance(head, FactoredCategorical) == (count > MOST_PLAIN)
        assert head.levels == count + 2 and (head.other, head.gap) == (count, True)
    assert not Column("x", "number").factored
    with pytest.raises(DomainError, match="column 'x': expected categories to be in groups, got number"):
        Column("x", "number", factored=True)


def test_a_card_says_which_and_one_from_before_means_a_softmax(tmp_path):
    many = tuple(range(MOST_PLAIN + 1))
    plain = Domain.table([Column("c", "categorical", many, factored=False), Column("x", "number", step=1.0)])
    factored = Domain.table([Column("c", "categorical", many), Column("x", "number", step=1.0)])
    assert plain == factored  # the same rows
    rows = torch.tensor([[256.0, 3.0], [0.0, -1.0]], dtype=torch.float64)
    for name, domain, head in (("old", plain, Categorical), ("new", factored, FactoredCategorical)):
        model = cr.create_model("made", domain, hidden=[8]).eval()
        model.prepare(rows)
        cr.models.save_model(model, tmp_path / name, version="0")
        path = tmp_path / name / "model.json"
        if name == "old":
            card = json.loads(path.read_text())
            for own in card["domain"]["columns"]:
                del own["factored"]
            path.write_text(json.dumps(card))
        again = cr.models.load_model(tmp_path / name)
        assert isinstance(again.head.at(0), head)
        assert torch.equal(again.log_prob(rows), model.log_prob(rows))


@pytest.mark.parametrize("missing, other", GAPS_AND_OTHERS)
def test_nets_start_from_the_marginal(missing, other):
    codes = [0.0] * 60 + [4.0] * 29 + [6.0] * 10 + [math.nan if missing else 6.0]
    model = cr.create_model("independent", Domain.table([column(7, missing=missing, other=other)]))
    model.estimate(rows_of(codes))
    known = torch.tensor([60, 0, 0, 0, 29, 0, 10 + (not missing), *([1] if missing else [])]).double() + 0.5
    unseen = (1 / 100 if missing else 1 / 102) if other else 0.0
    every = [*map(float, range(7)), *([math.nan] if missing else [])]
    found = model.log_prob(rows_of(every)).exp()
    torch.testing.assert_close(found, (1 - unseen) * known / known.sum(), rtol=1e-5, atol=0)
    drawn = model.sample(10_000, generator=generator())[:, 0]
    assert (drawn == 0).double().mean().item() == pytest.approx(found[0].item(), abs=0.015)
    assert not (drawn == 7).any()
    if other:
        assert model.log_prob(rows_of([7.0])).exp().item() == pytest.approx(unseen, rel=1e-5)


def test_the_net_reads_a_vector_of_the_column():
    columns = [column(100), Column("b", "categorical", "xy")]
    model = cr.create_model("made", Domain.table(columns), hidden=[8])
    (code,) = (part for part in model.modules() if isinstance(part, Cells))
    assert code.vectors.weight.shape == (100, 64)


@pytest.mark.parametrize("name", ["made", "nade", "deep-nade", "made-ensemble"])
def test_a_table_with_one_is_a_distribution(name):
    torch.manual_seed(0)
    domain = Domain.table([Column("a", "categorical", "xyz"), column(30, other=True)])
    model = tiny_model(name, domain).double().eval()
    for head in (part for part in model.modules() if isinstance(part, FactoredCategorical)):
        torch.nn.init.normal_(head.vectors)
    every = torch.cartesian_prod(torch.arange(3.0), torch.arange(31.0)).double()
    assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_what_it_depends_on_is_learnt():
    torch.manual_seed(0)
    a = torch.randint(3, (300,)).double()
    rows = torch.stack([a, (a * 7 + torch.randint(2, (300,))) % 30], 1)
    domain = Domain.table([Column("a", "categorical", "xyz"), column(30)])
    model = cr.create_model("made", domain, hidden=[32])
    model.prepare(rows)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(rows).mean().backward()
        optimiser.step()
    assert -model.eval().log_prob(rows).mean().item() == pytest.approx(math.log(3) + math.log(2), abs=0.1)


# --- verbs ----------------------------------------------------------------------------------------


def model_of_pairs():
    """p(b, c), untrained, of two categories and of 9 in groups, which may be missing or others."""
    torch.manual_seed(1)
    domain = Domain.table([Column("b", "categorical", "xy"), column(9, missing=True, other=True)])
    model = cr.create_model("made", domain, hidden=[16]).double().eval()
    model.prepare(torch.cartesian_prod(torch.arange(2.0), torch.arange(9.0)).double())
    return model


def joint_of(model):
    """p(b, c) of the categories alone, (2, 9)."""
    every = torch.cartesian_prod(torch.arange(2.0), torch.arange(9.0)).double()
    return model.log_prob(every).exp().unflatten(0, (2, 9))


def test_a_condition_on_a_set_is_exact():
    model = model_of_pairs()
    found = sample_given(model, 4000, {"b": "y", "c": [2, 5, 8]}, generator=generator())
    share = joint_of(model)[1, [2, 5, 8]]
    assert found.exact
    assert math.exp(found.log_prob) == pytest.approx(share.sum().item())
    for code, expected in zip((2, 5, 8), (share / share.sum()).tolist(), strict=True):
        assert (found.items[:, 1] == code).double().mean().item() == pytest.approx(expected, abs=0.03)


def test_predicted_probabilities_are_those_of_the_joint():
    model = model_of_pairs()
    proba = cr.predict_proba(model, pd.DataFrame({"b": ["x", "y"]}), "c").to_numpy()
    joint = joint_of(model)
    torch.testing.assert_close(torch.tensor(proba), joint / joint.sum(1, keepdim=True))


def test_completions_are_no_gap_and_no_other():
    known = torch.tensor([True, False])
    filled = model_of_pairs().complete(torch.ones(2000, 2).double(), known, generator=generator())
    assert filled[..., 1].unique().tolist() == list(range(9))


def test_scoring_and_drawing_look_at_one_group(monkeypatch):
    def refuse(self):
        raise AssertionError("all levels were looked at")

    model = model_of_pairs()
    monkeypatch.setattr(FactoredConditional, "logits", property(refuse))
    rows = model.sample(20, generator=generator())
    assert model.log_prob(rows).isfinite().all()
    model.complete(rows.nan_to_num(), torch.tensor([True, False]), generator=generator())
    sample_given(model, 20, {"c": [2, 5]}, generator=generator())
    with pytest.raises(AssertionError):
        model.sample(2, temperature=0.5)


def test_rows_with_others_and_gaps_are_coded():
    model = model_of_pairs()
    rows = torch.tensor([[0.0, 9.0], [1.0, math.nan], [1.0, 8.0], [0.0, 0.0]] * 20, dtype=torch.float64)
    blob = cr.compress(model, rows)
    assert torch.equal(cr.decompress(model, blob).nan_to_num(-9), rows.nan_to_num(-9))

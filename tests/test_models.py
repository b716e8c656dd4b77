"""Models against facts known without them."""

import itertools
import json
import math

import pytest
import torch

import chainrule as cr
from chainrule.engine import Greedy, rollout
from chainrule.models import ApproximateCompletionWarning, hyperparameters_of
from chainrule.testing import served_domains


@pytest.fixture(scope="module")
def digits():
    return cr.load_data("digits")


def fitted(name, data, **options):
    model = cr.create_model(name, data.domain, **options)
    model.estimate(data.train)
    return model.eval()


def test_uniform_on_digits_is_181_nats(digits):
    nats = -fitted("uniform", digits).log_prob(digits.test)
    assert torch.allclose(nats, torch.tensor(64 * math.log(17)).double())
    assert nats[0].item() == pytest.approx(181.33, abs=0.005)  # the post's yardstick


def test_a_few_items_at_once_are_all_of_them(monkeypatch):
    model = cr.create_model("gpt2", cr.Domain.sequence(6, 7), channels=8, heads=2, classes=3).eval()
    x, cond = torch.randint(7, (5, 6)), torch.tensor([0, 1, 2, 0, 1])
    with torch.no_grad():
        whole = model.log_prob(x, cond, reduce=False)
        monkeypatch.setattr("chainrule.models.base.autoregressive.PARAMETERS", 2 * 6 * 7)
        seen = []
        model.network.register_forward_hook(lambda module, given, params: seen.append(len(params)))
        assert torch.allclose(model.log_prob(x, cond, reduce=False), whole, atol=1e-6)
    assert seen == [2, 2, 1]


def test_independent_counts(digits):
    model = fitted("independent", digits, smoothing=1.0)
    x = digits.valid[:3]
    expected = 0.0
    for d in range(64):
        row, column = divmod(d, 8)
        share = (digits.train[:, 0, row, column] == x[0, 0, row, column]).sum().item()
        expected += math.log((share + 1) / (1000 + 17))
    assert model.log_prob(x)[0].item() == pytest.approx(expected, rel=1e-6)


def test_gaussian_is_the_multivariate_normal():
    generator = torch.Generator().manual_seed(0)
    factor = torch.tensor([[1.0, 0, 0], [0.8, 0.5, 0], [-0.3, 0.2, 2.0]]).double()
    x = torch.randn(500, 3, generator=generator, dtype=torch.float64) @ factor.T + torch.tensor(
        [1.0, -2.0, 3.0]
    )
    model = cr.create_model("gaussian", cr.Domain.vector(3), ridge=0.0).double()
    model.estimate(x)
    covariance = torch.cov(x.T, correction=0)
    expected = torch.distributions.MultivariateNormal(x.mean(0), covariance).log_prob(x)
    torch.testing.assert_close(model.log_prob(x), expected)


def test_gaussian_on_levels_approaches_the_density_where_bins_are_narrow():
    generator = torch.Generator().manual_seed(0)
    x = (
        (torch.randn(4000, 2, generator=generator) @ torch.tensor([[12.0, 5.0], [0.0, 9.0]]) + 128)
        .round()
        .long()
    )
    model = cr.create_model("gaussian", cr.Domain.categorical(2, 256), ridge=0.0)
    model.estimate(x)
    covariance = torch.cov(x.T.double(), correction=0) + torch.eye(2) / 12
    density = torch.distributions.MultivariateNormal(x.double().mean(0), covariance).log_prob(x.double())
    assert (model.log_prob(x) - density).abs().mean() < 5e-3


def test_count_table_with_full_memory_is_the_empirical_distribution():
    x = torch.tensor([[0, 1, 1]] * 6 + [[1, 0, 1]] * 3 + [[1, 1, 0]])
    model = cr.create_model("count-table", cr.Domain.binary(3), memory=2, smoothing=1e-6)
    model.estimate(x)
    probs = model.log_prob(torch.tensor([[0, 1, 1], [1, 0, 1], [1, 1, 0]])).exp()
    torch.testing.assert_close(probs, torch.tensor([0.6, 0.3, 0.1]).double(), atol=1e-4, rtol=0)


def test_count_table_smooths_towards_less_memory():
    x = torch.tensor([[0, 0], [0, 1], [1, 1]])
    model = cr.create_model("count-table", cr.Domain.binary(2), memory=1, smoothing=2.0)
    model.estimate(x)
    # p_0(x_2 = 1) = (2 + 2·½) / (3 + 2) = 0.6; after a 1: (1 + 2·0.6) / (1 + 2).
    first = (1 + 2 * 0.5) / (3 + 2)
    assert model.log_prob(torch.tensor([[1, 1]])).exp().item() == pytest.approx(first * 2.2 / 3, rel=1e-6)


def test_count_table_beats_independence_on_digits(digits):
    markov, independent = (
        fitted(name, digits).log_prob(digits.valid).mean() for name in ("count-table", "independent")
    )
    assert markov > independent + 5


def test_finite_memory_has_the_posts_parameters(digits):
    model = cr.create_model("finite-memory", digits.domain, memory=2, width=300)
    weights = (2 * 300 + 300) + (300 * 17 + 17)  # Linear(2, M) → ReLU → Linear(M, K)
    assert sum(p.numel() for p in model.parameters()) == weights


def test_the_posts_network_has_the_posts_parameters_and_reach(digits):
    model = cr.create_model("causal-conv1d", digits.domain, channels=256, positions=False, dropout=0.0)
    sizes = [(1, 256), (256, 256), (256, 256), (256, 17)]
    assert sum(p.numel() for p in model.parameters()) == sum(7 * i * o + o for i, o in sizes)
    assert model.connectivity()[63].nonzero().flatten().tolist() == list(range(38, 63))  # 1 + 4·6 = 25 back


def test_levels_that_a_column_lacks_have_no_probability():
    domain = cr.Domain.categorical(3, (2, 5, 3))
    for name in ("lstm", "independent", "count-table"):
        model = (
            cr.create_model(name, domain, ordering="reversed")
            if name != "independent"
            else cr.create_model(name, domain)
        )
        x = model.eval().sample(500, generator=torch.Generator().manual_seed(0))
        assert x.amax(0).tolist() == [1, 4, 2]


def test_completion_behind_the_unknown_warns():
    model = cr.create_model("rnn", cr.Domain.binary(4)).eval()
    x = torch.ones(2, 4, dtype=torch.int64)
    with pytest.warns(ApproximateCompletionWarning):
        drawn = model.complete(x, torch.tensor([True, False, False, True]), n=3)
    assert drawn.shape == (2, 3, 4) and (drawn[..., [0, 3]] == 1).all()


def test_completion_follows_the_conditional():
    """Draws of the last bit given the first two occur as often as p(x) says."""
    model = cr.create_model("gru", cr.Domain.binary(3), width=8, depth=1).eval()
    x = torch.tensor([[1, 0, 0]])
    drawn = model.complete(x, torch.tensor([True, True, False]), 4000, torch.Generator().manual_seed(0))[
        0, :, 2
    ]
    both = model.log_prob(torch.tensor([[1, 0, 0], [1, 0, 1]]))
    expected = torch.softmax(both, 0)[1].item()
    assert drawn.double().mean().item() == pytest.approx(expected, abs=4 * 0.5 / 4000**0.5)


def test_completion_of_nothing_known_is_a_sample_and_of_everything_the_item():
    model = cr.create_model("causal-conv1d", cr.Domain.binary(5), channels=8).eval()
    x = torch.randint(2, (4, 5))
    nothing = torch.zeros(5, dtype=torch.bool)
    drawn = model.complete(x, nothing, generator=torch.Generator().manual_seed(3))[:, 0]
    assert torch.equal(drawn, model.sample(4, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(model.complete(x, ~nothing)[:, 0], x)


def test_temperature_zero_and_top_k_one_are_greedy():
    model = cr.create_model("lstm", cr.Domain.categorical(6, 4), width=16).eval()
    cold = model.sample(2, temperature=0.0)
    assert torch.equal(cold[0], cold[1])
    assert torch.equal(model.sample(2, top_k=1), cold)
    assert torch.equal(model.sample(2, top_p=1e-9), cold)
    for bad in (
        {"temperature": -1.0},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"temperature": math.nan},
    ):
        with pytest.raises(cr.errors.ChainruleError, match=next(iter(bad))):
            model.sample(2, **bad)


def test_greedy_takes_the_mode_of_each_conditional_and_scores_it():
    model = cr.create_model("gru", cr.Domain.categorical(5, 4), width=8).eval()
    drawn = rollout(model, Greedy(), 2, score=True, device=model.device, dtype=model.dtype)
    x = model.from_sites(drawn.values)
    assert torch.equal(x, model.sample(2, temperature=0.0))
    assert torch.equal(model(x).argmax(-1), x)  # at every place no other level is more probable
    torch.testing.assert_close(drawn.log_prob.sum((1, 2)), model.log_prob(x), rtol=1e-5, atol=1e-5)


def test_sampling_leaves_the_model_as_it_was():
    model = cr.create_model("lstm", cr.Domain.binary(3)).train()
    model.sample(1)
    assert model.training and all(module.training for module in model.modules())
    with torch.autocast("cpu", torch.bfloat16):
        assert model.sample(1).shape == (1, 3)


def test_create_model_names_the_nearest():
    domain = cr.Domain.binary(3)
    with pytest.raises(cr.errors.ChainruleError, match="did you mean 'causal-conv1d'"):
        cr.create_model("causal-conv", domain)
    with pytest.raises(ValueError, match="did you mean 'channels'"):
        cr.create_model("causal-conv1d", domain, chanels=3)
    with pytest.raises(ValueError, match="channels: expected int"):
        cr.create_model("causal-conv1d", domain, channels="many")
    with pytest.raises(ValueError, match="channels: expected an integer ≥ 1"):
        cr.create_model("causal-conv1d", domain, channels=0)
    with pytest.raises(ValueError, match="discrete"):
        cr.create_model("wavenet", cr.Domain.vector(3))


@pytest.mark.parametrize("name", cr.list_models())
def test_hyperparameters_are_kept(name):
    domain = served_domains(lambda domain: cr.create_model(name, domain))[0]
    model = cr.create_model(name, domain)
    assert model.name == name
    assert json.loads(json.dumps(model.hyperparameters)) == model.hyperparameters
    assert model.hyperparameters.keys() == hyperparameters_of(name).keys()


def test_your_own_network():
    class Last(torch.nn.Module):
        """Logits from a table of the value before."""

        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(4, 3)

        def forward(self, sites):
            start = torch.full_like(sites[:, :1, 0], 3)
            return self.table(torch.cat([start, sites[:, :-1, 0]], dim=1))

    model = cr.AutoregressiveModel(Last(), cr.Domain.sequence(5, 3), cr.heads.Categorical(3))
    x = model.sample(7)
    assert model.log_prob(x).shape == (7,) and model.log_prob(x, reduce=False).shape == (7, 5)


def test_complete_refuses_what_does_not_fit():
    model = cr.create_model("rnn", cr.Domain.binary(4), width=4).eval()
    x, known = torch.ones(2, 4, dtype=torch.int64), torch.tensor([True, True, False, False])
    for value, mask, words in (
        (x, known.long(), "known: expected booleans"),
        (x, known[:3], r"known: .* got torch.bool \(3,\)"),
        (x, known.expand(3, 4), r"got torch.bool \(3, 4\)"),
        (x, [True] * 4, "got list"),
        (x[:, :3], known, r"x: expected shape \(B, 4\)"),
        (x + 1, known, "x: expected integers"),
        (x.float(), known, "x: expected integers"),
    ):
        with pytest.raises(cr.errors.DomainError, match=words):
            model.complete(value, mask)
    with pytest.raises(cr.errors.ChainruleError, match="n: expected"):
        model.complete(x, known, n=0)
    assert model.complete(torch.where(known, x, 99), known).shape == (2, 1, 4)  # what is unknown is not read


def test_chow_liu_is_the_best_of_all_trees():
    """Of the 16 trees on 4 variables, estimation picks the one under which the data are likeliest."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randint(3, (400, 1), generator=generator)
    noise = torch.rand(400, 3, generator=generator)
    c = torch.where(noise[:, :1] < 0.2, (a + 1) % 3, a)
    b = torch.where(noise[:, 1:2] < 0.3, (c + 1) % 3, c)
    d = torch.where(noise[:, 2:] < 0.4, (a + 2) % 3, a)
    x = torch.cat([a, b, c, d], dim=1)  # the tree a - c - b, a - d
    model = cr.create_model("chow-liu", cr.Domain.categorical(4, 3), smoothing=1e-9)
    model.estimate(x)
    order = model.ordering.permutation.tolist()
    edges = {frozenset((order[i], order[p])) for i, p in enumerate(model.network.parents.tolist()) if i}
    assert edges == {frozenset(e) for e in ((0, 2), (2, 1), (0, 3))}

    def likelihood(tree):
        total = 0.0
        for i in range(4):
            total -= entropy(x, [i])
        for i, j in tree:
            total += entropy(x, [i]) + entropy(x, [j]) - entropy(x, [i, j])
        return total

    trees = [t for t in itertools.combinations(itertools.combinations(range(4), 2), 3) if spans(t)]
    best = max(likelihood(tree) for tree in trees)
    assert len(trees) == 16
    assert model.log_prob(x).mean().item() == pytest.approx(best, abs=1e-5)


def entropy(x, columns):
    _, counts = x[:, columns].unique(dim=0, return_counts=True)
    p = counts.double() / len(x)
    return -(p * p.log()).sum().item()


def spans(tree):
    reached = {0}
    for _ in range(3):
        reached |= {v for edge in tree for v in edge if reached & set(edge)}
    return len(reached) == 4


def test_chow_liu_survives_saving_with_its_tree(digits, tmp_path):
    run = cr.fit(cr.create_model("chow-liu", digits.domain), digits, out=tmp_path / "tree")
    again = cr.load(tmp_path / "tree")
    assert again.hyperparameters["ordering"] == run.model.hyperparameters["ordering"]
    assert torch.equal(run.model.log_prob(digits.valid), again.log_prob(digits.valid))


def test_fvsbn_has_the_papers_parameters():
    model = cr.create_model("fvsbn", cr.Domain.binary(6))
    alive = sum(int(m.mask.sum()) for m in model.modules() if hasattr(m, "mask"))
    assert alive + 6 == 6 * 7 // 2  # n(n+1)/2


def test_nade_is_its_equations():
    """a_1 = c, a_{d+1} = a_d + W_d x_d, x̂_d = σ(V_d σ(a_d) + b_d), one variable at a time."""
    model = cr.create_model("nade", cr.Domain.binary(5), hidden=7).double().eval()
    net, x = model.network, torch.tensor([[1, 0, 1, 1, 0]])
    running, expected = net.bias.clone(), 0.0
    for d in range(5):
        probability = torch.sigmoid(net.out_weight[d] @ torch.sigmoid(running) + net.out_bias[d])
        expected = expected + (probability if x[0, d] else 1 - probability).log()
        running = running + net.weight[d, 0] * x[0, d]
    torch.testing.assert_close(model.log_prob(x), expected)


@pytest.mark.parametrize(
    "hidden, residual", [([6], False), ([9, 4], False), ([30, 30, 30], True), ([2, 2], True)]
)
def test_made_masks_are_the_papers(hidden, residual):
    model = cr.create_model("made", cr.Domain.binary(5), hidden=hidden, residual=residual)
    net = model.network
    before = torch.arange(1, 6)
    for degrees, layer in zip(net.degrees, net.layers, strict=True):
        assert torch.equal(layer.mask, degrees[:, None] >= before)
        assert degrees.min() >= 1 and degrees.max() <= 4
        before = degrees
    assert torch.equal(net.out.mask, torch.arange(1, 6)[:, None] > before)
    assert torch.equal(net.direct.mask, torch.ones(5, 5, dtype=torch.bool).tril(-1))
    runs = [phase[-1] for phase in model.schedule()]
    assert [sum(counts) for counts in zip(*runs, strict=True)] == hidden  # each unit becomes final once


def test_made_refuses_widths_that_cannot_be():
    for hidden, words in (
        ([], "widths"),
        ([0], "widths"),
        ([4, 5], "equal widths"),
        ("8", "hidden: expected"),
    ):
        with pytest.raises(cr.errors.ChainruleError, match=words):
            cr.create_model("made", cr.Domain.binary(4), hidden=hidden)

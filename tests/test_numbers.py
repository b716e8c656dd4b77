"""Extreme temperatures, and weights that are not finite: nothing is drawn that is no value of the domain."""

import math
import sys

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.domain.column import Column
from chainrule.engine import FixedPoint, Speculative
from chainrule.engine.finite import Guard
from chainrule.errors import ChainruleError
from chainrule.heads import (
    MCGSM,
    Bernoulli,
    BinnedGaussian,
    BinnedMixture,
    Categorical,
    DiscretisedLogistic,
    Gaussian,
    MaybeMissing,
    Mixture,
    NADEHead,
)
from chainrule.models.base.capabilities import Completes
from chainrule.models.store import load_weights, save_weights

TABLE = cr.Domain.table(
    [Column("a", "real", missing=True), Column("b", "integer"), Column("c", "categorical", "xyz")]
)
MODELS = {
    "bits": lambda: cr.create_model("made", cr.Domain.binary(6), hidden=[8]),
    "levels": lambda: cr.create_model("gru", cr.Domain.sequence(5, 4), width=8),
    "mixed levels": lambda: cr.create_model("made", cr.Domain.categorical(3, (2, 4, 3)), hidden=[8]),
    "ends": lambda: cr.create_model("gru", cr.Domain.sequence(5, 3, lengths="ends"), width=8),
    "ends of one letter": lambda: cr.create_model("gru", cr.Domain.sequence(5, 2, lengths="ends"), width=8),
    "keys": lambda: cr.create_model("gru", cr.Domain.sequence(3, 2, width=4), width=8, output="nade"),
    "colours": lambda: cr.create_model(
        "pixelcnn-plus-plus", cr.Domain.image(3, 2, 2, levels=8), channels=4, depth=1, components=2
    ),
    "reals": lambda: cr.create_model("rnade", cr.Domain.vector(3), hidden=8),
    "scales": lambda: cr.create_model("spatial-lstm", cr.Domain.image(1, 2, 2, levels=None), channels=4),
    "table": lambda: cr.create_model("made", TABLE, hidden=[8]),
    "table, no order": lambda: cr.create_model("deep-nade", TABLE, hidden=[8]),
    "mixture": lambda: cr.create_model(
        "made-ensemble", cr.Domain.binary(4), hidden=[8], masks=2, orderings=2
    ),
    "latent": lambda: cr.create_model("vae", cr.Domain.binary(4), latent=2, hidden=8),
    "latent steps": lambda: cr.create_model("vrnn", cr.Domain.sequence(4, 3), width=8, latent=2),
    "codes": lambda: cr.create_model(
        "vq-vae", cr.Domain.image(1, 4, 4, levels=2), codes=3, encoder_channels=4, prior="nade"
    ),
    "flow": lambda: cr.create_model("realnvp", cr.Domain.vector(3), hidden=[8], transforms=2),
    "flow of levels": lambda: cr.create_model("nice", cr.Domain.image(1, 2, 2, levels=4), hidden=[8]),
    "slow flow": lambda: cr.create_model("maf", cr.Domain.vector(3), hidden=[8], transforms=2),
}
FLOWS = [name for name in MODELS if "flow" in name]
COLD, HOT = (0.9e-6, 1e-8, 1e-30, 5e-324), (1e30, 1e300, sys.float_info.max)


def seed(number=0):
    return torch.Generator().manual_seed(number)


def build(name):
    """With random weights, some of them large."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[name]().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape))
    return model


def poisoned(name, value):
    """One weight of the last layer is no number."""
    model = build(name)
    with torch.no_grad():
        list(model.parameters())[-1].view(-1)[-1] = value
    return model


# --- temperatures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_extreme_temperatures_draw_values_of_the_domain(name):
    model = build(name)
    choices = [{}] if name in FLOWS or not model.domain.discrete else [{}, {"top_k": 2}, {"top_p": 5e-324}]
    for temperature in (*COLD, 1e-5, *HOT):
        for choice in choices:
            try:
                x = model.sample(8, temperature=temperature, generator=seed(), **choice)
            except ChainruleError as refused:  # of a flow, z that far out has no item
                assert name in FLOWS and temperature in HOT and "not finite" in str(refused)
                continue
            model.domain.check(x)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in FLOWS])
@pytest.mark.parametrize("temperature", COLD)
def test_the_coldest_is_the_mode(name, temperature):
    model = build(name)
    drawn, mode = (model.sample(8, temperature=t, generator=seed()) for t in (temperature, 0))
    torch.testing.assert_close(drawn, mode, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("runner", ["eager", "native", FixedPoint()], ids=["eager", "native", "passes"])
@pytest.mark.parametrize("name", ["bits", "mixed levels", "colours", "ends"])
def test_every_runner_draws_the_same_at_extreme_temperatures(name, runner):
    model = build(name)
    for temperature in (1e-30, 1e-5, 1e30, sys.float_info.max):
        for choice in ({}, {"top_k": 2}, {"top_p": 0.5}):
            options = {"temperature": temperature, **choice}
            try:
                x = model.sample(6, generator=seed(), runner=runner, **options)
            except ChainruleError as refused:  # the native loop has no ranks
                assert runner == "native" and choice and "native" in str(refused)
                continue
            assert torch.equal(x, model.sample(6, generator=seed(), runner="eager", **options))


def test_the_hottest_is_uniform():
    for name in ("bits", "mixed levels"):
        model = build(name)
        x = model.sample(2000, temperature=1e30, generator=seed())
        for d, levels in enumerate(model.domain.levels_per_variable):
            share = torch.bincount(x[:, d], minlength=levels).double() / len(x)
            torch.testing.assert_close(share, torch.full((levels,), 1 / levels).double(), rtol=0, atol=0.05)


@pytest.mark.parametrize("temperature", [math.inf, -math.inf, math.nan, -1.0, -5e-324, "warm", None])
@pytest.mark.parametrize("name", ["bits", "mixture", "latent", "latent steps", "codes", "flow"])
def test_no_temperature_is_refused(name, temperature):
    model = build(name)
    with pytest.raises(ChainruleError, match="temperature: expected a finite number ≥ 0, got"):
        model.sample(2, temperature=temperature)
    if isinstance(model, Completes):
        known = torch.zeros(model.domain.event_shape, dtype=torch.bool)
        with pytest.raises(ChainruleError, match="temperature: expected a finite number ≥ 0, got"):
            model.complete(model.sample(2), known, temperature=temperature)


HEADS = {
    "bits": Bernoulli(),
    "categories": Categorical(5),
    "logistics": DiscretisedLogistic(16, components=3),
    "binned normal": BinnedGaussian(7),
    "normal": Gaussian(),
    "mixture": Mixture(3),
    "laplace": Mixture(3, kernel="laplace"),
    "whole": BinnedMixture(3),
    "gaps": MaybeMissing(Mixture(3)),
    "scales": MCGSM(2, 2, 3),
    "keys": NADEHead(1, hidden=4),
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 0.5, 1.0, 2.0, 1e30, sys.float_info.max])
def test_tempered_conditionals_draw_numbers(name, temperature):
    head = HEADS[name]
    params = 10 * torch.randn(32, head.size, generator=seed())
    conditional, _ = head.step(None, head.init_state(params), 0)
    for u in (0.0, 0.3, 1 - 1e-16):
        drawn = conditional.tempered(temperature).draw(torch.full((32,), u, dtype=torch.float64))
        if name == "gaps":
            drawn = drawn.nan_to_num(0.0, posinf=math.inf, neginf=-math.inf)
        assert drawn.isfinite().all()
        if head.levels is not None:
            assert ((drawn >= 0) & (drawn < head.levels)).all()


def test_a_colder_mixture_goes_to_its_highest_peak():
    """Of a wide component of weight 0.6 and a narrow one of 0.4 the narrow one is the mode."""
    params = torch.tensor([[-2.0, 2.0, 1.0, -2.0, math.log(0.6), math.log(0.4)]])
    head = Mixture(2)
    head.spread.zero_()
    conditional, _ = head.step(None, head.init_state(params), 0)
    u = torch.rand(500, generator=seed(), dtype=torch.float64)
    for temperature, least in ((1.0, 0.35), (0.5, 0.85), (0.01, 1.0)):
        tempered = conditional.tempered(temperature)
        near = torch.stack([(tempered.draw(v[None]) - 2).abs() < 1 for v in u]).double().mean()
        assert near >= least
        # ∝ p^(1/T), where components lie apart
        at = torch.tensor([[-2.0], [2.0]])
        (far, peak), (was_far, was_peak) = (
            [given.log_prob(value).item() for value in at] for given in (tempered, conditional)
        )
        assert far - peak == pytest.approx((was_far - was_peak) / temperature, rel=0.05)


# --- what is not finite -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", MODELS)
def test_samples_and_completions_of_broken_weights_are_refused(name, value):
    model = poisoned(name, value)
    with pytest.raises(ChainruleError, match="not finite"):
        model.sample(4, generator=seed())
    if isinstance(model, Completes):
        x = build(name).sample(2, generator=seed())
        known = torch.zeros(model.domain.event_shape, dtype=torch.bool)
        with pytest.raises(ChainruleError, match="not finite"):
            model.complete(x, known, generator=seed())


ONE = ["bits", "levels", "mixed levels", "ends", "ends of one letter", "keys", "colours"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("runner", ["eager", "native", "passes", "draft"])
def test_every_runner_refuses_them(name, value, runner):
    model = poisoned(name, value)
    how = {"passes": FixedPoint(), "draft": Speculative(build(name), ahead=2)}.get(runner, runner)
    with pytest.raises(
        ChainruleError,
        match=r"step \d+: the parameters of variable \d+ are not finite|head\..*: weights are not",
    ):
        model.sample(4, generator=seed(), runner=how)
    with pytest.raises(ChainruleError, match="not finite"):
        model.complete(
            build(name).sample(2), torch.zeros(model.domain.event_shape, dtype=torch.bool), runner=how
        )


@pytest.mark.parametrize("name", ["levels", "ends", "ends of one letter"])
def test_streams_refuse_them(name):
    with pytest.raises(ChainruleError, match="not finite"):
        next(poisoned(name, math.inf).stream(generator=seed()))


@pytest.mark.parametrize("name", ["bits", "levels", "mixed levels", "keys", "colours"])
@pytest.mark.parametrize("runner", ["eager", "native"])
def test_the_coder_refuses_them_either_way(name, runner):
    from chainrule.coding import compress

    with pytest.raises(ChainruleError, match="not finite"):
        compress(poisoned(name, math.inf), build(name).sample(3, generator=seed()), runner=runner)


def test_no_score_is_no_number():
    model, x = poisoned("levels", math.nan), build("levels").sample(3, generator=seed())
    with pytest.raises(ChainruleError, match="gru: log p of item 0 is NaN"):
        cr.score(model, x, x)


def test_the_variable_is_named():
    """By its place in the data, whatever the ordering."""
    model = cr.create_model("made", cr.Domain.binary(6), hidden=[8], ordering="reversed").eval()
    with torch.no_grad():
        list(model.parameters())[-1].view(-1)[2] = math.nan
    step = next(t for t in range(6) if not model(torch.zeros(1, 6).long())[0, t].isfinite().all())
    expected = f"made: step {step}: the parameters of variable {5 - step} are not finite"
    for runner in ("eager", "native", FixedPoint()):
        with pytest.raises(ChainruleError, match=expected):
            model.sample(3, generator=seed(), runner=runner)


def test_where_a_look_would_wait_it_comes_at_the_end():
    """As on a GPU, whose sums are kept until the last site."""
    model = build("levels")
    guard = Guard(model, torch.device("cpu"), 5)
    guard._sums = torch.zeros(5)
    for t in range(5):
        guard.see(torch.full((2, 4), math.inf if t == 3 else 1.0), t)
    with pytest.raises(ChainruleError, match="gru: step 3: the parameters of variable 3 are not finite"):
        guard.close()


def test_a_wrong_guess_may_be_anything():
    """Parameters behind a wrong guess are thrown away, and are no reason to refuse."""
    model = build("levels")

    def parallel(sites, cond):
        params = type(model).parallel(model, sites, cond)
        odd = (sites[..., 0] == 3).cumsum(1) > 1  # behind a second 3, of guesses that are all 3
        return params.masked_fill(odd.roll(1, 1).index_fill(1, torch.tensor([0]), False)[..., None], math.nan)

    x = model.sample(8, generator=seed())
    fine = x[((x == 3).cumsum(1)[:, :-1] <= 1).all(1)]
    assert len(fine)
    model.parallel = parallel
    noise = cr.engine.draw_noise(8, 5, seed())[((x == 3).cumsum(1)[:, :-1] <= 1).all(1)]

    class Threes(FixedPoint):
        def guess(self, undecided):
            from chainrule.engine.predictive import keep_final

            return keep_final(undecided.values, undecided.final, 3)

    assert torch.equal(model.draw(cr.engine.Sample(noise), len(fine), None, runner=Threes()), fine)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_broken_weights_are_not_loaded(value, tmp_path):
    save_weights(poisoned("bits", value).state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ChainruleError, match=r"expected finite numbers, got -?(inf|nan)"):
        load_weights(build("bits"), tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["uniform", "independent", "count-table", "chow-liu"])
def test_counted_weights_are_finite(name, tmp_path):
    domain = cr.Domain.categorical(4, (2, 4, 3, 2))
    model = cr.create_model(name, domain)
    model.estimate(torch.zeros(5, 4, dtype=torch.int64))
    cr.models.save_model(model, tmp_path, version="0")
    again = cr.models.load_model(tmp_path)
    x = torch.tensor([[1, 3, 2, 1], [0, 0, 0, 0]])
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x))


# --- the command line ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 3, (60, 4)))
    cr.fit(
        cr.create_model("made", cr.Domain.categorical(4, 3), hidden=[8]),
        cr.load_data(folder / "x.npy"),
        epochs=1,
        out=folder / "run",
        progress=False,
    )
    return folder / "run"


@pytest.mark.parametrize("temperature", ["nan", "inf", "-1"])
def test_bad_temperatures_on_the_command_line(run, temperature, capsys):
    status = main(["sample", str(run), "-n", "2", "--temperature", temperature])
    out, err = capsys.readouterr()
    assert status and not out and "temperature" in err.lower()


def test_extreme_temperatures_on_the_command_line(run, capsys):
    for temperature in ("5e-324", "1e-30", "1e30"):
        assert main(["sample", str(run), "-n", "20", "--temperature", temperature]) == 0
        levels = {int(word) for word in capsys.readouterr().out.replace(",", " ").split()}
        assert levels <= {0, 1, 2}

"""The laws fail when they should: each mutant breaks one thing, and a named law catches it."""

import math

import pytest
import torch
from torch import nn

import chainrule as cr
from chainrule.flows import Chain, Flatten, Logistic, Scaling
from chainrule.heads import Bernoulli, Categorical, Gaussian, Mixture
from chainrule.heads.conditional import BernoulliConditional
from chainrule.layers import CausalConv1d, Condition, OneHot, Pointwise, Recurrent, Serial, StrictInput
from chainrule.models.base.flow import Flow
from chainrule.models.baselines import Constant
from chainrule.models.vae import VAE
from chainrule.networks import Stack
from chainrule.testing import LawViolation, check_head, check_layer, check_model


def stack(domain, *, input=None, first=None, body=None, condition=None, head=None):
    """A small convolutional model, with one part replaced."""
    if not isinstance(domain.levels, int):
        raise cr.errors.DomainError("one number of levels only")
    levels = domain.levels
    head = head or Categorical(levels)
    network = Stack(
        input or StrictInput(OneHot(levels)),
        first or CausalConv1d(levels + 1, 8, kernel_size=3),
        body or Serial(Pointwise(nn.Tanh()), CausalConv1d(8, head.size, kernel_size=3)),
        condition or Condition(8),
    )
    return cr.AutoregressiveModel(network, domain, head)


# --- mutants: what is broken, and the law that must see it -----------------------------------------


class LeakyInput(StrictInput):
    """Forgets to delay: position t sees x_t."""

    def forward(self, sites):
        return self.encoder(sites)

    def step(self, prev, t):
        return self.encoder(prev)


class TwiceDelayed(StrictInput):
    """Delays by two: x_{t-1} is never seen."""

    def forward(self, sites):
        code = self.encoder(sites)
        return torch.cat([torch.zeros_like(code[:, :2]), code[:, :-2]], dim=1)[:, : sites.shape[1]]


class StepSeesGarbage(StrictInput):
    """Reads `prev` at t = 0, where there is none."""

    def step(self, prev, t):
        return self.encoder(prev)


class CentredConv(CausalConv1d):
    """A mask broken in the middle of the net: padded on both sides, it looks ahead."""

    def forward(self, x):
        half = self.receptive_field // 2
        padded = nn.functional.pad(x.transpose(1, 2), (self.receptive_field - half, half))
        return nn.functional.conv1d(padded, self.weight.transpose(1, 2), self.bias).transpose(1, 2)


class DeadTap(CausalConv1d):
    """A connection that is declared and dead."""

    def forward(self, x):
        weight = self.weight.clone()
        weight[:, 0] = 0
        padded = nn.functional.pad(x.transpose(1, 2), (self.receptive_field, 0))
        return nn.functional.conv1d(padded, weight.transpose(1, 2), self.bias).transpose(1, 2)

    def step(self, x, state, t):
        state = torch.cat([state[:, 1:], x[:, None]], dim=1)
        taps = state.clone()
        taps[:, 0] = 0
        return nn.functional.linear(taps.flatten(1), self.weight.flatten(1), self.bias), state


class Understated(Serial):
    """Reads further back than it says."""

    receptive_field = 0


class ForgetfulConv(CausalConv1d):
    """Forgets to update its state."""

    def step(self, x, state, t):
        y, _ = super().step(x, state, t)
        return y, state


class StatefulConv(CausalConv1d):
    """Keeps its state on the module, where two rollouts meet."""

    def init_state(self, batch, **options):
        self.kept = super().init_state(batch, **options)
        return torch.zeros(batch, 1)

    def step(self, x, state, t):
        if len(self.kept) != len(x):
            self.kept = self.kept.repeat_interleave(len(x) // len(self.kept), 0)
        y, self.kept = super().step(x, self.kept, t)
        return y, state


class GrowingConv(CausalConv1d):
    """Its state grows with every step."""

    def init_state(self, batch, **options):
        return super().init_state(batch, **options)

    def step(self, x, state, t):
        state = torch.cat([state, x[:, None]], dim=1)
        taps = state[:, -self.kernel_size :]
        return nn.functional.linear(taps.flatten(1), self.weight.flatten(1), self.bias), state

    def prefill(self, x, state):
        return self(x), torch.cat([state, x], dim=1)


class ShortMemory(CausalConv1d):
    """Is lost behind the length of its state, and says that it is unbounded."""

    def init_state(self, batch, *, length, **options):
        return super().init_state(batch, length=length, **options), torch.full((batch, 1, 1), length)

    def step(self, x, state, t):
        window, length = state
        y, window = super().step(x, torch.where(t < length, window, 0.0), t)
        return y, (window, length)

    def prefill(self, x, state):
        y, window = super().prefill(x, state[0])
        return y, (window, state[1])


class WrongPrefill(CausalConv1d):
    """Loses the last input of a prefix."""

    def prefill(self, x, state):
        y, state = super().prefill(x, state)
        return y, torch.roll(state, 1, dims=1)


class DetachedConv(CausalConv1d):
    """Its step passes no gradient to the past."""

    def step(self, x, state, t):
        return super().step(x, state.detach(), t)


class SlowConv(CausalConv1d):
    """Its step does the whole window's work for every position in it."""

    def step(self, x, state, t):
        y, state = super().step(x, state, t)
        self(state)
        return y, state


class BrokenGraphConv(CausalConv1d):
    """Its step reads a tensor on the host, which no compiler can follow."""

    def step(self, x, state, t):
        if float(x.sum()) > 1e30:
            x = x / 2
        return super().step(x, state, t)


class BatchConv(CausalConv1d):
    """Mixes rows: the answer for one item depends on its neighbours."""

    def step(self, x, state, t):
        y, state = super().step(x, state, t)
        return y + 0.1 * y.mean(0, keepdim=True), state


class RestlessConv(CausalConv1d):
    """Its steps are never twice the same."""

    def step(self, x, state, t):
        y, state = super().step(x, state, t)
        return y + 0.1 * torch.rand_like(y), state


class BrokenStateGRU(Recurrent):
    """Starts the steps from zero, not from the learned h_0."""

    def init_state(self, batch, **options):
        return tuple(torch.zeros_like(part) for part in super().init_state(batch, **options))


class Unnormalised(Categorical):
    """log_prob without the log-sum-exp."""

    def log_prob(self, params, x):
        logits = params.unflatten(-1, (self.variables, self.levels))
        return logits.gather(-1, x[..., None])[..., 0]


class Smoothed(Categorical):
    """The ε inside the logarithm that biases log-probabilities."""

    def log_prob(self, params, x):
        return (super().log_prob(params, x).exp() + 1e-3).log()


class OtherTable(Categorical):
    """Draws from another distribution than it scores."""

    def step(self, prev, state, v):
        conditional, state = super().step(prev, state, v)
        return conditional.tempered(0.5), state


class InvertedCoin(BernoulliConditional):
    """Warm where it should be cold."""

    def tempered(self, temperature):
        return BernoulliConditional(self.logit * temperature)


class InvertedBernoulli(Bernoulli):
    """Whose bits are warm where they should be cold."""

    def step(self, prev, state, v):
        return InvertedCoin(state[:, v]), state


class Stubborn(Categorical):
    """Of one temperature."""

    def step(self, prev, state, v):
        conditional, state = super().step(prev, state, v)
        conditional.tempered = lambda temperature: conditional
        return conditional, state


class Contrary(Categorical):
    """The least probable level as the most probable one."""

    def step(self, prev, state, v):
        conditional, state = super().step(prev, state, v)
        conditional.mode = lambda: conditional.logits.argmin(-1)
        return conditional, state


class Rigid(Mixture):
    """Tempers its weights, not its scales."""

    def step(self, prev, state, v):
        mixture, state = super().step(prev, state, v)
        tempered = mixture.tempered
        mixture.tempered = lambda t: tempered(t)._replaced(tempered(t).log_weights, mixture.log_scales)
        return mixture, state


class RigidNormal(Gaussian):
    """Of one temperature."""

    def step(self, prev, state, v):
        conditional, state = super().step(prev, state, v)
        conditional.tempered = lambda temperature: conditional
        return conditional, state


class LukewarmVAE(VAE):
    """Forgets the temperature on the way to its pixels."""

    def sample(self, n, cond=None, temperature=1.0, generator=None, **options):
        return super().sample(n, cond, 1.0, generator, **options)


class LukewarmFlow(Flow):
    """Forgets the temperature."""

    def sample(self, n, cond=None, temperature=1.0, generator=None, **options):
        return super().sample(n, cond, 1.0, generator, **options)


class OneClassForgotten(Condition):
    """Takes the last class for the one before it."""

    def forward(self, cond, batch):
        return super().forward(cond.clamp(max=1), batch)


class Biasless(CausalConv1d):
    """Has a bias, and does without it."""

    def forward(self, x):
        return super().forward(x) - self.bias

    def step(self, x, state, t):
        y, state = super().step(x, state, t)
        return y - self.bias, state


class UnseenCondition(Condition):
    """Takes a condition and ignores it."""

    def forward(self, cond, batch):
        features = super().forward(cond, batch)
        return None if features is None else torch.zeros_like(features)


class OptionalCondition(Condition):
    """Does without its condition in silence."""

    def forward(self, cond, batch):
        cond = torch.zeros(batch, dtype=torch.int64) if cond is None else cond
        return super().forward(cond, batch)


class OwnRandomness(cr.AutoregressiveModel):
    """Draws from the global generator."""

    def sample(self, n, cond=None, temperature=1.0, generator=None, **options):
        return super().sample(n, cond, temperature, None, **options)


class Careless(cr.AutoregressiveModel):
    """Takes any input."""

    def log_prob(self, x, cond=None, reduce=True):
        if isinstance(x, list) or x.shape[1:] != self.domain.event_shape:
            return torch.zeros(len(x))
        return super().log_prob(x.long() % self.domain.max_levels, cond, reduce)


class Untrainable(cr.AutoregressiveModel):
    """Passes no gradient to most of its parameters."""

    def log_prob(self, x, cond=None, reduce=True):
        kept = super().log_prob(x, cond, reduce)
        return kept.detach() + 0 * sum(p.sum() for p in self.parameters())


class HalfSaved(cr.AutoregressiveModel):
    """Has a parameter outside its state_dict."""

    def state_dict(self, *args, **kwargs):
        kept = super().state_dict(*args, **kwargs)
        for name in list(kept):
            if name.endswith("body.layers.1.bias"):
                kept[name] = torch.zeros_like(kept[name])
        return kept


def model_of(kind):
    def factory(domain):
        model = stack(domain)
        return kind(model.network, domain, model.head)

    return factory


def conv(kind, **options):
    return lambda domain: stack(
        domain, body=Serial(Pointwise(nn.Tanh()), kind(8, domain.max_levels, kernel_size=3, **options))
    )


class Shrinking(Scaling):
    """Counts its volume with the wrong sign."""

    def forward(self, y):
        z, log_det = super().forward(y)
        return z, -log_det


class OneWay(Scaling):
    """Goes back another way."""

    def inverse(self, z):
        return z * self.log_scale.exp()


def flow(part, kind=Flow):
    """A flow of one scaling of each variable."""
    return lambda d: kind(d, Chain(Flatten(d.event_shape), part(d.size)), Logistic(), logit=False)


class FreeNoise(VAE):
    """A bound that forgets what the latent numbers cost."""

    def log_ratio(self, z, mean, log_scale):
        return torch.zeros_like(z[:, 0])


class Loosening(VAE):
    """The mean of logarithms in place of the logarithm of the mean, and less with each draw."""

    def log_prob_bound(self, x, cond=None, *, samples=1, generator=None):
        return super().log_prob_bound(x, cond, generator=generator) - math.log(samples)


class InTurn(VAE):
    """Latent numbers of all rows, then pixels of all rows, from one stream."""

    def sample(self, n, cond=None, temperature=1.0, generator=None, **options):
        return self.decode(self.normal(n, generator), generator, temperature=temperature, **options)


class InBatches(VAE):
    """Rows of a completion that share one chain's numbers with whoever else is in the batch."""

    def complete(self, x, known, n=1, generator=None, **options):
        torch.rand(len(x), generator=generator)
        return super().complete(x, known, n, generator, **options)


def bits(head):
    """A model of bits."""

    def factory(domain):
        if domain.max_levels != 2:
            raise cr.errors.DomainError("bits only")
        return stack(domain, head=head)

    return factory


def reals(head):
    """A model of reals."""

    def factory(domain):
        if domain.discrete or domain.columns:
            raise cr.errors.DomainError("reals only")
        return cr.AutoregressiveModel(Constant(domain.size, head.size), domain, head)

    return factory


class OneDraw(VAE):
    """Takes one draw, whatever it is told."""

    def log_prob_bound(self, x, cond=None, *, samples=1, generator=None):
        return super().log_prob_bound(x, cond, generator=generator)


MUTANTS = {
    "volume with the wrong sign": (flow(Shrinking), "counts_volume"),
    "volume with the wrong sign, seen in the plane": (flow(Shrinking), "sums_to_one"),
    "no way back": (flow(OneWay), "inverts"),
    "latent numbers for nothing": (FreeNoise.tiny, "bounds"),
    "more draws, less tight": (Loosening.tiny, "bounds"),
    "latents and pixels in turn": (InTurn.tiny, "rows_stand_alone"),
    "completions by the batch": (InBatches.tiny, "rows_stand_alone"),
    "rows mixed, seen by their number": (conv(BatchConv), "rows_stand_alone"),
    "one draw for many": (OneDraw.tiny, "bounds"),
    "input not delayed": (lambda d: stack(d, input=LeakyInput(OneHot(d.max_levels))), "causal"),
    "input delayed by two": (lambda d: stack(d, input=TwiceDelayed(OneHot(d.max_levels))), "connected"),
    "two delays, two modes": (
        lambda d: stack(d, input=TwiceDelayed(OneHot(d.max_levels))),
        "step_is_forward",
    ),
    "first step reads prev": (
        lambda d: stack(d, input=StepSeesGarbage(OneHot(d.max_levels))),
        "reads_nothing_undrawn",
    ),
    "mask looks ahead": (conv(CentredConv), "causal"),
    "dead connection": (conv(DeadTap), "connected"),
    "undeclared connection": (
        lambda d: stack(
            d, body=Understated(Pointwise(nn.Tanh()), CausalConv1d(8, d.max_levels, kernel_size=3))
        ),
        "connected",
    ),
    "state not updated": (conv(ForgetfulConv), "step_is_forward"),
    "state on the module": (conv(StatefulConv), "state_is_a_tree_of_rows"),
    "state grows": (conv(GrowingConv), "state_is_a_tree_of_rows"),
    "prefix loses a value": (conv(WrongPrefill), "prefix_is_steps"),
    "no gradient to the past": (conv(DetachedConv), "gradients_agree"),
    "step does too much": (conv(SlowConv), "one_pass"),
    "step breaks the graph": (conv(BrokenGraphConv), "compiles"),
    "rows mixed": (conv(BatchConv), "step_is_forward"),
    "rows mixed, seen by noise": (conv(BatchConv), "same_noise_same_sample"),
    "rows mixed, seen as rows leave": (conv(BatchConv), "guessing_ahead_changes_nothing"),
    "pass leaks, seen by its fixed point": (
        lambda d: stack(d, input=LeakyInput(OneHot(d.max_levels))),
        "guessing_ahead_changes_nothing",
    ),
    "learned h_0 forgotten": (
        lambda d: stack(d, first=BrokenStateGRU(d.max_levels + 1, 8, cell="gru")),
        "rollout_scores_itself",
    ),
    "head not normalised": (lambda d: stack(d, head=Unnormalised(d.max_levels)), "sums_to_one"),
    "ε in the logarithm": (lambda d: stack(d, head=Smoothed(d.max_levels)), "sums_to_one"),
    "scores positive": (lambda d: stack(d, head=Unnormalised(d.max_levels)), "returns_as_promised"),
    "draws from another table": (lambda d: stack(d, head=OtherTable(d.max_levels)), "samples_match"),
    "log p of samples is another": (
        lambda d: stack(d, head=OtherTable(d.max_levels)),
        "rollout_scores_itself",
    ),
    "codes by another table": (lambda d: stack(d, head=OtherTable(d.max_levels)), "compresses"),
    "steps never twice the same": (conv(RestlessConv), "compresses"),
    "bits warm where cold": (bits(InvertedBernoulli()), "temperature"),
    "levels of one temperature": (lambda d: stack(d, head=Stubborn(d.max_levels)), "temperature"),
    "the least probable as the mode": (lambda d: stack(d, head=Contrary(d.max_levels)), "temperature"),
    "scales of one temperature": (reals(Rigid(3)), "temperature"),
    "normals of one temperature": (reals(RigidNormal()), "temperature"),
    "pixels of one temperature": (LukewarmVAE.tiny, "temperature"),
    "a flow of one temperature": (flow(Scaling, LukewarmFlow), "temperature"),
    "a class without features": (
        lambda d: stack(d, condition=OneClassForgotten(8, classes=3)),
        "parameters_matter",
    ),
    "classes without features": (
        lambda d: stack(d, condition=UnseenCondition(8, classes=3)),
        "parameters_matter",
    ),
    "a bias never read": (conv(Biasless), "parameters_matter"),
    "no gradient to parameters": (model_of(Untrainable), "parameters_matter"),
    "condition ignored": (lambda d: stack(d, condition=UnseenCondition(8, classes=3)), "conditioned"),
    "condition optional": (lambda d: stack(d, condition=OptionalCondition(8, classes=3)), "conditioned"),
    "global randomness": (model_of(OwnRandomness), "same_noise_same_sample"),
    "bad input taken": (model_of(Careless), "refuses_bad_input"),
    "no gradient": (model_of(Untrainable), "overfits"),
    "weights lost on disk": (model_of(HalfSaved), "survives_saving"),
}


def test_the_unbroken_model_obeys_every_law():
    outcome = check_model(stack)
    unbound = {"conditioned", "bounds", "inverts", "counts_volume"}
    assert {law for law, said in outcome.items() if said != "holds"} == unbound


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTANTS)
def test_caught(name):
    factory, law = MUTANTS[name]
    with pytest.raises(LawViolation, match="^" + law.split("_")[0]):
        check_model(factory, laws=[law])


def test_exploding_inputs_are_caught():
    class Exploding(Categorical):
        def log_prob(self, params, x):
            return super().log_prob(params.float().exp().exp(), x)

    with pytest.raises(LawViolation, match="extreme_inputs"):
        check_model(lambda d: stack(d, head=Exploding(d.max_levels)), laws=["extreme_inputs"])


def test_a_module_without_a_step_is_told():
    class Previous(nn.Module):
        """Strictly causal: logits of site t from a table of x_{t-1}."""

        def __init__(self, levels):
            super().__init__()
            self.table = nn.Embedding(levels + 1, levels)

        def forward(self, sites):
            start = torch.full_like(sites[:, :1, 0], self.table.num_embeddings - 1)
            return self.table(torch.cat([start, sites[:, :-1, 0]], dim=1))

    domain = cr.Domain.binary(5)
    factory = lambda: cr.AutoregressiveModel(Previous(2), domain, Categorical(2))  # noqa: E731
    with pytest.raises(cr.errors.DomainError, match="head"):
        cr.AutoregressiveModel(Previous(3), domain, Categorical(3))
    with pytest.raises(LawViolation, match="connected"):  # it reads one value back and declares all
        check_model(factory, laws=["connected"])
    laws = [law for law in cr.testing.LAWS if law != "connected"]
    with pytest.warns(UserWarning, match="replaying the prefix"):
        outcome = check_model(factory, laws=laws)
    assert outcome["step_is_forward"] == "holds"
    assert "replaying" in outcome["one_pass"]


@pytest.mark.parametrize(
    "kind, message",
    [
        (CentredConv, "step and forward differ"),
        (ForgetfulConv, "step and forward differ"),
        (StatefulConv, "raised RuntimeError"),
        (WrongPrefill, "prefix"),
        (DetachedConv, "gradients differ"),
        (lambda *args, **options: Understated(CausalConv1d(*args, **options)), "reach"),
        (DeadTap, "not read"),
        (BatchConv, "step and forward differ"),
        (ShortMemory, "beyond the length of its state"),
    ],
)
def test_check_layer_catches(kind, message):
    x = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))
    check_layer(CausalConv1d(4, 4, kernel_size=3), x)
    with pytest.raises(LawViolation, match=message):
        check_layer(kind(4, 4, kernel_size=3), x)


@pytest.mark.parametrize("kind", [Unnormalised, Smoothed, OtherTable, Stubborn, Contrary, Rigid])
def test_check_head_catches(kind):
    check_head(Categorical(4))
    with pytest.raises(LawViolation):
        check_head(kind(4))


def test_laws_that_need_a_tiny_domain_are_not_tried_on_a_large_one():
    laws = ["causal", "sums_to_one", "samples_match", "rollout_scores_itself"]
    with pytest.warns(UserWarning, match="was not tried: image:1x8x8:17 has over"):
        outcome = check_model(
            lambda: cr.create_model("gru", cr.Domain.image(1, 8, 8, levels=17), width=8), laws=laws
        )
    assert [outcome[law] == "holds" for law in laws] == [True, False, False, True]

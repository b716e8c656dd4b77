"""Every law, on every registered model: a new one is tested here without being asked."""

from functools import cache, partial

import pytest
import torch

import chainrule as cr
from chainrule.models import hyperparameters_of, tiny_model
from chainrule.testing import LAWS, check_model, served_domains
from chainrule.testing.distribution import occur_as_often
from chainrule.testing.subject import Subject

# Of an unconditional model with an exact likelihood that is no flow.
UNBOUND = {"conditioned", "bounds", "inverts", "counts_volume"}
# Steps under a condition, of other heads and blocks, are compiled by `make test-all`: dynamo takes seconds for each.
QUICK_LAWS = [pytest.param(law, marks=pytest.mark.slow) if law == "compiles" else law for law in LAWS]
CONDITIONAL = [name for name in cr.list_models() if "classes" in hyperparameters_of(name)]


@cache
def served(name, **options):
    """The factory of a registered model, and the domains it serves: sought once for all laws."""
    factory = partial(tiny_model, name, **options)
    return factory, served_domains(factory)


def outcome_of(law, name, **options):
    factory, domains = served(name, **options)
    return check_model(factory, laws=[law], domains=domains)[law]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", cr.list_models())
def test_model(name, law):
    outcome = outcome_of(law, name)
    assert outcome == "holds" or outcome.startswith("does not bind: the model")


@pytest.mark.parametrize("law", QUICK_LAWS)
@pytest.mark.parametrize("name", CONDITIONAL)
def test_model_conditional_on_a_class(name, law):
    outcome = outcome_of(law, name, classes=3)
    assert outcome == "holds" or outcome.startswith("does not bind: the model")


@pytest.mark.parametrize(
    "law",
    [
        "conditioned",
        "parameters_matter",
        "step_is_forward",
        "sums_to_one",
        "one_pass",
        "captured_steps_are_eager",
    ],
)
@pytest.mark.parametrize("name", CONDITIONAL)
def test_model_conditional_on_a_vector(name, law):
    outcome = outcome_of(law, name, embedding=2)
    assert outcome == "holds" or outcome.startswith("does not bind: the model")


@pytest.mark.parametrize(
    "law",
    [
        "conditioned",
        "parameters_matter",
        "step_is_forward",
        "prefix_is_steps",
        "one_pass",
        "captured_steps_are_eager",
    ],
)
@pytest.mark.parametrize("name", [name for name in CONDITIONAL if "maps" in hyperparameters_of(name)])
def test_model_conditional_on_a_map(name, law):
    outcome = outcome_of(law, name, maps=2)
    assert outcome == "holds" or outcome.startswith("does not bind: the model")


@pytest.mark.parametrize(
    "law", ["causal", "connected", "step_is_forward", "prefix_is_steps", "reads_nothing_undrawn"]
)
@pytest.mark.parametrize("ordering", ["reversed", "random-1"])
def test_other_orderings(ordering, law):
    outcome = check_model(partial(tiny_model, "causal-conv1d", ordering=ordering), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize(
    "law", ["connected", "step_is_forward", "prefix_is_steps", "one_pass", "gradients_agree"]
)
@pytest.mark.parametrize("dilation, kernel_size", [(2, 2), (3, 3), (1, 2)])
def test_dilated_convolutions(dilation, kernel_size, law):
    options = {"channels": 8, "depth": 3, "kernel_size": kernel_size, "dilation": dilation}
    assert check_model(partial(tiny_model, "causal-conv1d", **options), laws=[law])[law] == "holds"


@pytest.mark.parametrize(
    "law", ["connected", "step_is_forward", "prefix_is_steps", "one_pass", "gradients_agree"]
)
@pytest.mark.parametrize("depth, kernel_size", [(1, 3), (3, 2), (2, 4), (2, 1)])
def test_blocks_of_tcn(depth, kernel_size, law):
    options = {"channels": 16, "depth": depth, "kernel_size": kernel_size}
    assert check_model(partial(tiny_model, "tcn", **options), laws=[law])[law] == "holds"


@pytest.mark.parametrize(
    "law", ["connected", "step_is_forward", "prefix_is_steps", "one_pass", "gradients_agree"]
)
@pytest.mark.parametrize("depth, cycle, kernel_size", [(1, 1, 2), (4, 3, 2), (3, 1, 3), (2, 2, 1)])
def test_cycles_of_wavenet(depth, cycle, kernel_size, law):
    options = {"channels": 12, "skip": 16, "depth": depth, "cycle": cycle, "kernel_size": kernel_size}
    outcome = check_model(partial(tiny_model, "wavenet", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize(
    "law",
    [
        "sums_to_one",
        "samples_match",
        "extreme_inputs",
        "step_is_forward",
        "rollout_scores_itself",
        "overfits",
    ],
)
def test_wavenet_of_logistics(law):
    options = {"output": "logistic", "components": 3, "linear": 3, "encoding": "centred"}
    outcome = check_model(partial(tiny_model, "wavenet", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize(
    "law",
    ["causal", "conditioned", "parameters_matter", "step_is_forward", "prefix_is_steps", "state_is_a_tree_of_rows",
     "compiles", "gradients_agree", "one_pass", "survives_saving"],
)  # fmt: skip
@pytest.mark.parametrize("features", [(2, 2), (1, 9)])
def test_wavenet_conditional_on_frames(features, law):
    options = {"features": features}
    outcome = check_model(partial(tiny_model, "wavenet", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize(
    "law",
    ["conditioned", "parameters_matter", "step_is_forward", "prefix_is_steps", "returns_as_promised", "one_pass",
     "survives_saving"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["wavenet", "made", "lstm"])
def test_model_conditional_on_two_labels(name, law):
    outcome = check_model(partial(tiny_model, name, classes=[3, 2]), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize("law", ["inverts", "counts_volume", "overfits", "survives_saving"])
def test_autoregressive_splines(law):
    assert check_model(partial(tiny_model, "nsf", transform="autoregressive"), laws=[law])[law] == "holds"


def test_autoregressive_splines_draw_what_they_score():
    # Their density has kinks that the laws' own grid is too coarse for.
    subject = Subject(partial(tiny_model, "nsf", transform="autoregressive"), cr.Domain.vector(2))
    model = subject.build()
    items, weights = subject.support(model, resolution=2.0, crowded=True)
    with torch.no_grad():
        masses = model.log_prob(items).exp() * weights
    assert masses.sum().item() == pytest.approx(1, abs=5e-6)
    drawn = model.sample(50_000, generator=torch.Generator().manual_seed(0))
    occur_as_often(subject.domain, drawn, items, masses, "samples_match")


@pytest.mark.parametrize("memory", [2, 5])
def test_count_table_memories(memory):
    outcome = check_model(partial(tiny_model, "count-table", memory=memory))
    assert {law for law, said in outcome.items() if said != "holds"} == UNBOUND


def test_every_model_serves_a_domain():
    for name in cr.list_models():
        assert served_domains(partial(tiny_model, name)), name


@pytest.mark.parametrize(
    "law", ["connected", "sums_to_one", "step_is_forward", "one_pass", "gradients_agree"]
)
@pytest.mark.parametrize(
    "options",
    [{"residual": False}, {"hidden": [16]}, {"hidden": [40, 3], "residual": False}, {"ordering": "random-3"}],
)
def test_shapes_of_made(options, law):
    assert check_model(partial(tiny_model, "made", **options), laws=[law])[law] == "holds"


@pytest.mark.parametrize("law", ["sums_to_one", "samples_match", "completes", "returns_as_promised"])
def test_one_ordering_of_an_ensemble(law):
    options = {"orderings": 1}
    outcome = check_model(partial(tiny_model, "made-ensemble", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize("law", ["rollout_scores_itself", "extreme_inputs", "step_is_forward", "one_pass"])
@pytest.mark.parametrize("options", [{"kernel": "laplace"}, {"uniform": True}, {"components": 1}])
def test_mixtures_of_rnade(options, law):
    outcome = check_model(partial(tiny_model, "rnade", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize("law", ["connected", "sums_to_one", "step_is_forward"])
def test_convnade_without_the_mask(law):
    options = {"masked": False}
    outcome = check_model(partial(tiny_model, "conv-nade", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize("law", QUICK_LAWS)
@pytest.mark.parametrize("name", ["gru", "tcn"])
def test_a_nade_for_each_step(name, law):
    options = {"output": "nade"}
    outcome = check_model(partial(tiny_model, name, **options), laws=[law])
    assert outcome[law] == "holds" or outcome[law].startswith("does not bind: the model")


@pytest.mark.parametrize("law", ["step_is_forward", "prefix_is_steps", "one_pass", "gradients_agree"])
@pytest.mark.parametrize("options", [{"positions": "learned"}, {"heads": 1}])
def test_positions_of_transformers(options, law):
    outcome = check_model(partial(tiny_model, "transformer", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize(
    "law", ["step_is_forward", "prefix_is_steps", "gradients_agree", "native_steps_are_eager"]
)
@pytest.mark.parametrize(
    "options",
    [
        {"start": 0, "tied": False, "bias": False},
        {"gelu": "exact"},
        {"gelu": "sigmoid", "norm": "root-mean-square"},
    ],
)
def test_variants_of_gpt2(options, law):
    assert check_model(partial(tiny_model, "gpt2", **options), laws=[law])[law] == "holds"


@pytest.mark.parametrize(
    "law", ["step_is_forward", "prefix_is_steps", "gradients_agree", "native_steps_are_eager"]
)
@pytest.mark.parametrize(
    "options", [{"start": 0, "tied": True}, {"shared": 4, "scaling": [4.0, 1.0, 4.0, 2.0]}]
)
def test_variants_of_llama(options, law):
    assert check_model(partial(tiny_model, "llama", **options), laws=[law])[law] == "holds"


@pytest.mark.parametrize("law", ["connected", "step_is_forward", "prefix_is_steps", "one_pass"])
@pytest.mark.parametrize("depth, cycle, kernel_size", [(3, 2, 2), (2, 1, 3)])
def test_cycles_of_revnet(depth, cycle, kernel_size, law):
    options = {"channels": 8, "depth": depth, "cycle": cycle, "kernel_size": kernel_size}
    outcome = check_model(partial(tiny_model, "revnet", **options), laws=[law])
    assert outcome[law] == "holds"


@pytest.mark.parametrize("law", QUICK_LAWS)
@pytest.mark.parametrize("name", ["transformer", "tcn"])
def test_reversible_blocks(name, law):
    options = {"reversible": True}
    outcome = check_model(partial(tiny_model, name, **options), laws=[law])
    assert outcome[law] == "holds" or outcome[law].startswith("does not bind: the model")


@pytest.mark.parametrize("law", ["step_is_forward", "gradients_agree", "survives_saving", "overfits"])
def test_tied_vectors(law):
    assert check_model(partial(tiny_model, "gru", tied=True, encoding="one-hot"), laws=[law])[law] == "holds"

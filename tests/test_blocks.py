"""Images whose sites are blocks of pixels."""

import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import DiscretisedLogistic, Joint
from chainrule.testing import LAWS, check_model

BITS, GREY = cr.Domain.image(1, 4, 4, levels=2), cr.Domain.image(1, 4, 4, levels=5)
TWO = cr.Domain.image(1, 2, 4, levels=2)  # two blocks: all items can be enumerated
UNBOUND = {"conditioned", "bounds", "inverts", "counts_volume"}
ENUMERATED = {"sums_to_one", "samples_match", "temperature"}
SMALL = {"channels": 8, "depth": 1, "first_size": 3, "last": 8}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("pixelcnn", {}),
        ("gated-pixelcnn", {}),
        ("gated-pixelcnn", {"stacks": 1}),
        ("row-lstm", {}),
        ("diagonal-lstm", {}),
        ("diagonal-bilstm", {}),
    ],
)
def test_laws_of_tables(name, more):
    def model(domain):
        return cr.create_model(name, domain, block=2, **SMALL, **more)

    laws = [law for law in LAWS if law != "parameters_matter"]  # of one row, no weight for what is above
    outcome = check_model(lambda: model(TWO), laws=laws)
    assert {law for law, said in outcome.items() if said != "holds"} == UNBOUND
    check_model(lambda: model(BITS), laws=["parameters_matter"])


@pytest.mark.filterwarnings("ignore:.* was not tried")
def test_laws_of_mixtures():
    outcome = check_model(lambda: cr.create_model("gated-pixelcnn", GREY, block=2, **SMALL))
    assert {law for law, said in outcome.items() if said != "holds"} == UNBOUND | ENUMERATED


def test_a_block_is_read_whole_before_the_next_one():
    model = cr.create_model("pixelcnn", BITS, block=2, **SMALL)
    assert model.ordering.variables.tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert model.sites == 4
    colours = cr.create_model("pixelcnn", cr.Domain.image(2, 2, 4, levels=2), block=2, **SMALL)
    # Pixel by pixel, with all its colours: of the first block 0, 1, 4 and 5, each with that of the second colour.
    assert colours.ordering.variables[:8].tolist() == [0, 8, 1, 9, 4, 12, 5, 13]


def test_few_values_have_a_table_and_many_a_mixture():
    heads = {
        levels: cr.create_model("pixelcnn", cr.Domain.image(1, 4, 4, levels=levels), block=2, **SMALL).head
        for levels in (2, 4, 5, 256)
    }
    assert {levels: type(head) for levels, head in heads.items()} == {
        2: Joint, 4: Joint, 5: DiscretisedLogistic, 256: DiscretisedLogistic
    }  # fmt: skip
    assert heads[4].size == 256


def test_a_joint_table_by_hand():
    head = Joint(3, 2)
    params = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    p = params.softmax(1).view(5, 3, 3)
    x = torch.tensor([[0, 1], [2, 2], [1, 0], [0, 0], [2, 1]])
    rows = torch.arange(5)
    first = p.sum(2)[rows, x[:, 0]]
    second = p[rows, x[:, 0], x[:, 1]] / first
    torch.testing.assert_close(head.log_prob(params, x).exp(), torch.stack([first, second], 1))


def test_a_block_that_does_not_divide_the_image_is_refused():
    with pytest.raises(DomainError, match="block: expected a number that divides 4 and 4, got 3"):
        cr.create_model("pixelcnn", BITS, block=3, **SMALL)


@pytest.mark.parametrize("name", ["pixelcnn", "gated-pixelcnn", "row-lstm"])
def test_maps_are_of_pixels(name):
    with pytest.raises(ChainruleError, match="maps: expected none where sites are blocks"):
        cr.create_model(name, BITS, block=2, maps=1, **SMALL)


def test_native_steps_draw_the_same():
    model = cr.create_model("pixelcnn", BITS, block=2, **SMALL)
    drawn = [
        model.sample(20, generator=torch.Generator().manual_seed(0), runner=runner)
        for runner in ("native", "eager")
    ]
    assert torch.equal(*drawn)

"""A network with two phases and several coupled-in-time variables a site passes every law."""

import pytest

import chainrule as cr
from chainrule.heads import Categorical
from chainrule.testing import LAWS, LawViolation, check_model
from row_network import PIXEL, ROW, RowNetwork


def build(domain, network=RowNetwork):
    if domain.layout != "image":
        raise cr.errors.DomainError("images only")
    channels, height, width = domain.event_shape
    head = Categorical(domain.max_levels, channels)
    return cr.AutoregressiveModel(
        network(height, width, channels, head.size, domain.max_levels), domain, head
    )


OF_OTHERS = ("bounds", "inverts", "counts_volume")


@pytest.mark.parametrize("law", [law for law in LAWS if law not in (*OF_OTHERS, "conditioned")])
def test_a_network_of_two_phases_obeys(law):
    assert check_model(build, laws=[law])[law] == "holds"
    assert check_model(lambda: build(cr.Domain.image(1, 3, 4, levels=2)), laws=[law])[law] == "holds"


def test_its_schedule():
    model = build(cr.Domain.image(3, 2, 3, levels=3))
    assert model.sites == 6
    assert model.schedule() == [ROW, PIXEL, PIXEL] * 2


def test_the_wrong_phase_is_caught():
    class Lazy(RowNetwork):
        """Never does a row's work."""

        def schedule(self, length):
            return [PIXEL] * length

    with pytest.raises(LawViolation, match="step_is_forward"):
        check_model(lambda domain: build(domain, Lazy), laws=["step_is_forward"])


def test_a_row_done_for_every_pixel_costs_too_much():
    class Eager(RowNetwork):
        """Does the row's work again at each pixel."""

        def step(self, prev, state, t, *, phase=None):
            self._row(state[0])
            return super().step(prev, state, t, phase=phase)

    with pytest.raises(LawViolation, match="one_pass"):
        check_model(lambda domain: build(domain, Eager), laws=["one_pass"])

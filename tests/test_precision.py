"""The switches that make float32 less exact: off where likelihoods are stated, afterwards as the user had them."""

import pytest
import torch

import chainrule as cr
from chainrule.engine import exact_arithmetic
from chainrule.engine.precision import full_precision

BACKENDS = torch.backends
NEW = hasattr(BACKENDS, "fp32_precision")
new = pytest.mark.skipif(not NEW, reason="torch has no fp32_precision before 2.9")


def old_state():
    def read(get):
        try:
            return get()
        except RuntimeError:
            return "refused"

    getters = (
        torch.get_float32_matmul_precision,
        lambda: BACKENDS.cuda.matmul.allow_tf32,
        lambda: BACKENDS.cudnn.allow_tf32,
    )
    return tuple(map(read, getters))


def switches():
    if not NEW:
        return {}
    return {
        "all": BACKENDS,
        "cuda": BACKENDS.cudnn,
        "cuda.matmul": BACKENDS.cuda.matmul,
        "cuda.conv": BACKENDS.cudnn.conv,
        "cuda.rnn": BACKENDS.cudnn.rnn,
        "cpu.matmul": BACKENDS.mkldnn.matmul,
        "cpu.conv": BACKENDS.mkldnn.conv,
        "cpu.rnn": BACKENDS.mkldnn.rnn,
    }


def state():
    return old_state(), {name: switch.fp32_precision for name, switch in switches().items()}


@pytest.fixture(autouse=True)
def _as_torch_starts():
    yield
    torch.set_float32_matmul_precision("highest")
    for switch in switches().values():
        switch.fp32_precision = "none"
    BACKENDS.cudnn.allow_tf32 = True


USERS = {
    "nothing": lambda: None,
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "allow_tf32": lambda: setattr(BACKENDS.cuda.matmul, "allow_tf32", True),
    "no cudnn": lambda: setattr(BACKENDS.cudnn, "allow_tf32", False),
    "all tf32": lambda: setattr(BACKENDS, "fp32_precision", "tf32"),
    "all bf16": lambda: setattr(BACKENDS, "fp32_precision", "bf16"),
    "all ieee": lambda: setattr(BACKENDS, "fp32_precision", "ieee"),
    "matmul": lambda: setattr(BACKENDS.cuda.matmul, "fp32_precision", "tf32"),
    "conv": lambda: setattr(BACKENDS.cudnn.conv, "fp32_precision", "ieee"),
    "mkldnn": lambda: setattr(BACKENDS.mkldnn.matmul, "fp32_precision", "bf16"),
    "mkldnn rnn": lambda: setattr(BACKENDS.mkldnn.rnn, "fp32_precision", "bf16"),
}


@new
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("user", USERS)
def test_off_inside_and_restored(user, device):
    USERS[user]()
    before = state()
    with full_precision(device):
        inside = {name: s.fp32_precision for name, s in switches().items() if name.startswith(f"{device}.")}
        assert set(inside.values()) <= {"ieee", "none"}
        if "all" not in user.split():  # then what could be read by the old names still can
            for was, now in zip(before[0], old_state(), strict=True):
                assert was == "refused" or now != "refused"
        with full_precision(device):
            pass
        assert inside == {name: s.fp32_precision for name, s in switches().items() if name in inside}
    assert state() == before


@new
def test_what_is_set_for_all_later_still_reaches_each():
    BACKENDS.fp32_precision = "tf32"
    for device in ("cpu", "cuda"):
        with full_precision(device):
            pass
    BACKENDS.fp32_precision = "ieee"
    assert {switch.fp32_precision for switch in switches().values()} == {"ieee"}


@pytest.mark.parametrize("user", USERS if NEW else [u for u in USERS if "all" not in u and "m" not in u])
def test_likelihoods_do_not_depend_on_them(user):
    torch.manual_seed(0)
    model = cr.create_model("lstm", cr.Domain.binary(12), width=16).eval()
    x = torch.randint(2, (4, 12))
    with exact_arithmetic(model):
        expected = model.log_prob(x)
    USERS[user]()
    with exact_arithmetic(model):
        assert torch.equal(model.log_prob(x), expected)
    drawn = model.sample(2, generator=torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 12)

"""Training on an accelerator, which is pretended: what a CPU would find, and nothing of the device is left changed."""

import os
from collections import Counter
from dataclasses import replace

import pretend
import pytest
import torch

import chainrule as cr
from chainrule.devices import widest
from chainrule.domain.tiny import TINY
from chainrule.errors import ChainruleError
from chainrule.models import tiny_model
from chainrule.report import write_report
from chainrule.tasks import evaluate
from chainrule.training import find_device, fit
from chainrule.training.deterministic import WORKSPACE, deterministic

HOW = {"batch_size": 8, "progress": False, "precision": "float32", "validations": 1}


@pytest.fixture(scope="module")
def data():
    x = torch.randint(3, (48, 5), generator=torch.Generator().manual_seed(0))
    return cr.load_data(x, domain=cr.Domain.sequence(5, levels=3))


@pytest.fixture
def accelerator():
    pretend.install()
    with pretend.accelerator() as device:
        yield device


def gru(data, **options):
    torch.manual_seed(0)
    return cr.create_model("gru", data.domain, width=6, depth=1, **options)


def weights(model):
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


def test_after_a_fit_the_model_stays_on_the_device(data, accelerator, tmp_path):
    expected = fit(gru(data), data, device="cpu", epochs=2, **HOW)
    model = gru(data)
    torch.pretend.manual_seed(5)
    before = torch.pretend.get_rng_state(), torch.get_rng_state()
    run = fit(model, data, out=tmp_path / "run", device="pretend", epochs=2, **HOW)
    assert torch.equal(torch.pretend.get_rng_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert run.model.device == accelerator
    torch.testing.assert_close(weights(run.model), weights(expected.model), atol=1e-5, rtol=1e-4)
    found, other = (evaluate(one.model, data, "valid").model.nats for one in (run, expected))
    assert found == pytest.approx(other, rel=1e-5)
    assert run.model.log_prob(data.valid).device == accelerator  # items of the CPU are sent
    page = write_report(run, data, command="train", evaluation=evaluate(run.model, data, "valid"))
    assert page.is_file() and run.model.device == accelerator


def test_a_closed_form_is_found_on_the_host_and_moved(data, accelerator):
    run = fit(cr.create_model("count-table", data.domain), data, device="pretend", progress=False)
    again = fit(run.model, data, device="pretend", progress=False)  # from where it is
    assert again.model.log_prob(data.valid).device == accelerator


def test_resumed_is_uninterrupted_on_the_device(data, accelerator, tmp_path):
    """With dropout, whose numbers are the device's."""
    how = {**HOW, "device": "pretend", "cosine": False, "deterministic": True}
    whole = fit(gru(data, dropout=0.5), data, out=tmp_path / "whole", epochs=3, **how)
    fit(gru(data, dropout=0.5), data, out=tmp_path / "parts", epochs=1, **how)
    torch.pretend.manual_seed(1)  # whatever was drawn meanwhile
    parts = fit(
        gru(data, dropout=0.5), data, out=tmp_path / "parts", resume=True, extend=True, epochs=3, **how
    )
    assert torch.equal(weights(whole.model), weights(parts.model))
    assert [row["valid_nats"] for row in whole.metrics] == [row["valid_nats"] for row in parts.metrics]


@pytest.mark.parametrize("name", ["gru", "vrnn", "made-ensemble", "iaf"])
def test_a_step_of_training_waits_for_nothing(data, accelerator, name):
    """Two lengths of an epoch, which differ in their batches alone: each is sent, and nothing is looked at."""
    counts = []
    for items in (16, 32):
        some = replace(data, train=data.train[:items], valid=data.valid[:4])
        model = tiny_model(name, data.domain)
        for _ in range(2):  # what is the same in all steps has then been sent
            with pretend.watched() as watch:
                fit(model, some, device="pretend", epochs=1, **HOW)
        counts.append(Counter(watch.looks))
    more = counts[1] - counts[0]
    trained = max(len(model.trials(32)), 1)
    assert sum(more.values()) == 2 * trained, more  # batches more
    assert all(pretend.SENT in place for place in more)


# --- which device --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cuda:7", "meta", "mps", "xpu:1", "nonsense", "cpu:x"])
def test_a_device_that_is_not_there_is_refused_in_a_line(name):
    with pytest.raises(
        ChainruleError, match=f"^device '{name}': expected auto, cpu, cuda, cuda:1 or"
    ) as error:
        find_device(name)
    assert "\n" not in str(error.value)


def test_a_device_may_have_a_number(accelerator):
    assert find_device("pretend:0") == accelerator
    assert find_device("pretend") == torch.device("pretend")


def test_tables_need_float64(accelerator, monkeypatch):
    monkeypatch.setattr("chainrule.devices.WITHOUT_DOUBLE", ("mps", "pretend"))
    table = next(domain for domain in TINY if domain.columns)
    with pretend.no_doubles(), pytest.raises(ChainruleError, match=r"no float64.*use cpu"):
        find_device("pretend", table)
    assert widest(torch.device("mps")) == torch.float32


def test_lightning_is_told_the_device():
    from chainrule.training.accelerator import placed

    assert placed(torch.device("cuda:1"), 1) == {"accelerator": "cuda", "devices": [1]}
    assert placed(torch.device("cuda"), 2) == {"accelerator": "cuda", "devices": 2}
    assert placed(torch.device("mps"), 1) == {"accelerator": "mps", "devices": 1}
    for device in ("cuda:1", "xpu"):
        with pytest.raises(ChainruleError, match="expected cpu or cuda for 2 processes"):
            placed(torch.device(device), 2)


# --- the same numbers each time ------------------------------------------------------------------


def test_deterministic_is_restored(monkeypatch):
    monkeypatch.delenv(WORKSPACE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with deterministic(True):
        assert torch.are_deterministic_algorithms_enabled() and os.environ[WORKSPACE] == ":4096:8"
        assert not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled() and WORKSPACE not in os.environ
    assert torch.backends.cudnn.benchmark
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_what_has_no_deterministic_kernel_is_refused_in_a_line():
    said = "cumsum_cuda_kernel does not have a deterministic implementation, but you set it. You can turn off"
    with (
        pytest.raises(ChainruleError, match=r"^deterministic: cumsum_cuda.*train without it$"),
        deterministic(True),
    ):
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="another"), deterministic(True):
        raise RuntimeError("another")

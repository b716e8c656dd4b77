"""The kit for a GPU, with everything tiny, on a CPU."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest

from chainrule.bench.cases import run_case, table_of
from chainrule.bench.gpu import compiled, kit, quality, sampling, setting
from chainrule.bench.gpu.kit import Part, run_all
from chainrule.bench.gpu.setting import Setting
from chainrule.bench.nets import Net
from chainrule.domain import Domain
from chainrule.engine.captured import capture
from chainrule.errors import ChainruleError
from chainrule.models import tiny_model
from chainrule.testing import device as laws
from chainrule.testing import served_domains
from chainrule.training.run import COLUMNS
from children import SCRIPT, ended

GPU = str(Path(__file__).parent.parent / "tools" / "gpu.py")
# A process that stands for one entry: what it does is its name.
ENTRY = """
import json, pathlib, sys, time
out, _, part, name, seconds = sys.argv[1:]
path = pathlib.Path(out) / part / f"{name}.json"
(pathlib.Path(out) / "begun").open("a").write(f"{name} ")
if name == "fails":
    sys.exit("ValueError: out of luck")
if name == "hangs":
    time.sleep(600)
while name == "waits" and "works" not in (pathlib.Path(out) / "begun").read_text():
    time.sleep(0.01)
path.write_text(json.dumps({"status": "done", "found": 2}))
"""


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def on_cpu(tmp_path):
    return Setting("cpu", True, None, tmp_path / "runs", 60.0)


# --- entries -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Runs parts of entries of those names; what was begun in it."""

    def run(parts, **options):
        begun = tmp_path / "begun"
        begun.unlink(missing_ok=True)
        kinds = {
            part: Part(0.5, limit, together, resumes, lambda shrink, names=names: names.split(), None)
            for part, (names, limit, together, resumes) in parts.items()
        }
        command = [sys.executable, "-c", ENTRY, str(tmp_path)]
        run_all(kinds, tmp_path, command, **{"minutes": 10, "tell": str, **options})
        return begun.read_text().split() if begun.exists() else []

    return run


def test_what_fails_is_recorded_and_the_rest_goes_on(run, tmp_path):
    parts = {"a": ("fails works", 60, 1, False), "b": ("works", 60, 1, False)}
    assert run(parts) == ["fails", "works", "works"]
    failed = read(tmp_path / "a" / "fails.json")
    assert (failed["status"], failed["reason"]) == ("failed", "ValueError: out of luck")
    assert (
        read(tmp_path / "a" / "works.json")["status"]
        == read(tmp_path / "b" / "works.json")["status"]
        == "done"
    )
    assert run(parts) == []
    assert run(parts, retry=True) == ["fails"]


def test_what_takes_too_long_is_ended(run, tmp_path):
    """What it had measured is kept, and what comes after it is measured."""
    parts = {"a": ("hangs", 0.3, 1, False), "b": ("works", 60, 1, False)}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "hangs.json").write_text('{"status": "begun", "found": 1}')
    assert run(parts)[-1] == "works"
    record = read(tmp_path / "a" / "hangs.json")
    assert (record["status"], record["found"]) == ("ended", 1)
    assert run(parts) == []


def test_what_resumes_goes_on_the_next_time(run, tmp_path):
    said = []
    for _ in range(2):
        run({"a": ("hangs", 0.3, 1, True)}, tell=said.append)
        assert read(tmp_path / "a" / "hangs.json")["status"] == "unfinished"
    assert [text.partition(" after")[0] for text in said] == ["a hangs: unfinished"] * 2


def test_entries_run_together(run):
    """The first one ends when the second has begun."""
    assert sorted(run({"a": ("waits works works", 60, 2, False)})) == ["waits", "works", "works"]


def test_nothing_begins_without_time(run):
    said = []
    assert run({"a": ("works", 60, 1, False)}, minutes=0, tell=said.append) == []
    assert said == ["a works: no time left"]


# --- what is measured --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "peak"), [("NVIDIA H200", 989e12), ("NVIDIA H100 PCIe", 756e12), (None, None)]
)
def test_the_peak_of_a_known_gpu_is_stated(monkeypatch, on_cpu, name, peak):
    monkeypatch.setattr(Setting, "about", lambda self: {"gpu": name} if name else {})
    found = setting.bf16_peak(on_cpu)
    assert found["by"] == ("measured" if name is None else "stated")
    assert found["flops"] == peak if peak else found["flops"] > 0


@pytest.mark.parametrize("name", ["made", "realnvp", "vae", "chow-liu"])
def test_laws_hold_on_a_device(monkeypatch, name):
    """Captured steps too, by a recording in place of a graph."""
    monkeypatch.setitem(capture.CAPTURES, "cpu", capture.as_it_is)
    factory = partial(tiny_model, name)
    domains = served_domains(factory)[:2]
    for kind, tried in laws.LAWS.items():
        outcome = laws.check_on_device(factory, domains, "cpu", kind)
        assert list(outcome) == [law.__name__ for law in tried]
        assert all(
            said == "holds" or said.startswith("does not bind: the model") for said in outcome.values()
        )
    if name == "made":
        assert set(laws.check_on_device(factory, domains, "cpu", "float32").values()) == {"holds"}


@pytest.mark.parametrize(
    ("law", "weight"), [("scores_as_the_cpu", 1.01), ("samples_as_the_cpu", 30), ("trains", float("nan"))]
)
def test_a_device_that_computes_something_else_is_found(monkeypatch, law, weight):
    def broken(self, *args, **options):
        original(self, *args, **options)
        for parameter in self.model.parameters():
            parameter.data.mul_(weight)

    original = laws.Device.__init__
    monkeypatch.setattr(laws.Device, "__init__", broken)
    factory = partial(tiny_model, "made")
    outcome = laws.check_on_device(factory, served_domains(factory)[:1], "cpu", "float32")
    assert outcome[law].startswith("broken on ")


def test_compiled_steps_are_for_few_kinds_of_sites():
    net = Net("", "made", Domain.binary(9), {"hidden": (13, 19), "residual": False}, (1,))
    with pytest.raises(ChainruleError, match="compiled steps: expected sites of at most 3 kinds, got"):
        compiled.CompiledRunner(net.build(), 9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_compiled_steps_draw_what_eager_ones_do():
    net = Net("", "gru", Domain.sequence(4, levels=3), {"width": 4, "depth": 1}, (1,))
    model = net.build()
    assert net.draw(model, 2, compiled.CompiledRunner(model, 4)).equal(net.draw(model, 2, model))


def test_the_bench_measures_a_device(monkeypatch):
    """Here one that is the CPU by another name."""
    monkeypatch.setattr(sampling, "NETS", sampling.SHRUNK)
    monkeypatch.setattr(sampling, "find_runner", lambda model, name: model)
    monkeypatch.setattr(sampling, "CompiledRunner", lambda model, sites: model)
    monkeypatch.setattr(setting, "SECONDS", 0.0)
    record = sampling.measure_all(["wavenet"], "cpu", str) | {"case": "sampling"}
    columns, ((net, batch, *rates, of_bound),) = table_of(record)
    ways = ["captured", "captured-fused", "eager", "compiled"]
    assert columns == ["net", "batch", *(f"{way}, steps/s" for way in ways), "of bound"]
    assert (net, batch, len(rates), of_bound[-1]) == ("wavenet", "1", 4, "%")
    with pytest.raises(
        ChainruleError, match="bench training: measures the CPU; another device is for sampling"
    ):
        run_case("training", device="cuda")


# --- the script --------------------------------------------------------------------------------------


def test_the_whole_script_with_everything_tiny(tmp_path):
    """Every part writes a record, and the second time nothing is left to do."""
    options = [
        "--shrink",
        "--device",
        "cpu",
        "--minutes",
        "20",
        "--out",
        tmp_path,
        "--data",
        tmp_path / "none",
    ]
    status, out, said = ended(GPU, *options, program=SCRIPT)
    assert status == 0, said
    records = {path.stem: read(path) for path in tmp_path.glob("*/*.json")}
    became = {name: record["status"] for name, record in records.items()}
    assert became == {
        "0": "done",
        "wavenet": "done",
        "maf": "done",
        "digits--causal-conv1d": "done",
        "cifar-10--pixelcnn": "skipped",
    }
    assert all({"device", "torch", "seconds", "date", "commit"} <= set(record) for record in records.values())
    assert records["0"]["broken"] == 0 and set(records["0"]["models"]) == {"fvsbn", "made"}
    sampled = records["wavenet"]["rows"][0]
    assert sampled["of_bound"]["eager"] > 0 and sampled["real_time_factor"]["eager"] > 0
    assert "captured runner: it is for cuda" in records["wavenet"]["absent"]["captured, batch 1"]
    assert records["maf"]["best_of_peak"] > 0
    assert records["digits--causal-conv1d"]["reproduced"] is False
    assert "no file cifar10/" in records["cifar-10--pixelcnn"]["reason"]
    assert (tmp_path / "runs" / "digits" / "causal-conv1d" / "model.safetensors").is_file()
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert ended(GPU, *options, program=SCRIPT)[:2] == (
        0,
        "".join(line for line in out.splitlines(True) if "not here" in line),
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == files


def test_the_script_says_what_is_missing(tmp_path, monkeypatch):
    """And the line that brings it."""
    code = (
        "import runpy, sys; sys.argv = ['gpu.py']; script = runpy.run_path(sys.path.pop());"
        "script['NEEDS']['no_such_module'] = 'no-such-package'; script['check_packages']()"
    )
    status, _, said = ended(f"import sys; sys.path.append({GPU!r})\n{code}", program=(sys.executable, "-c"))
    assert status == 1
    assert "not here: no-such-package. Where there is a network: pip download --only-binary :all:" in said
    assert said.strip().endswith("no-such-package; then here: python tools/gpu.py --wheels WHEELS")


def test_an_interrupted_training_says_how_far_it_is(monkeypatch, on_cpu):
    def interrupted(table, **options):
        folder = options["runs"] / table / options["only"]
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(",".join(COLUMNS) + "\n0,9,5.0,6.0,1,1,1\n1,18,4.0,6.5,1,1,1\n")
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(quality, "reproduce", interrupted)
    (record,) = quality.measure("digits/gru", on_cpu)
    assert (record["status"], record["best"]["valid_nats"], record["last"]["step"]) == ("unfinished", 6.0, 18)


def test_a_record_has_its_place():
    assert kit.record_of(Path("out"), "quality", "music/jsb") == Path("out/quality/music--jsb.json")

"""ONNX files give the model's conditionals, and samples without torch, from Python and from JavaScript."""

import json
import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError, ConditionError, MissingExtraError
from chainrule.tasks.onnx.card import make_card
from chainrule.tasks.onnx.graphs import Leaves, logits
from chainrule.tasks.onnx.phases import by_phase
from chainrule.tasks.onnx.proof import difference, log_softmax, prove, session
from children import PYTHON, ended
from digits_run import write_run
from test_cli import call

ROOT = Path(__file__).parent.parent
# `npm install onnxruntime-web` in the root of the repository, or elsewhere, brings what JavaScript needs.
MODULES = Path(os.environ.get("NODE_MODULES", ROOT / "node_modules"))
TEXT = cr.Domain.sequence(100, 6)
MODELS = {
    "wavenet": (TEXT, {"channels": 6, "skip": 4, "depth": 2, "cycle": 2}),
    "transformer": (TEXT, {"channels": 8, "depth": 1}),
    "lstm": (TEXT, {"width": 8, "classes": 3}),
    "gated-pixelcnn": (cr.Domain.image(1, 5, 6, levels=4), {"channels": 4, "depth": 1, "last": 4}),
    "made": (cr.Domain.categorical(6, levels=(2, 5, 3, 7, 4, 5)), {"hidden": [16], "ordering": "random-1"}),
}
COND = {"lstm": 2}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """name → its model, the step's file and what the command line printed; each is exported once."""
    root = tmp_path_factory.mktemp("export")

    @cache
    def make(name):
        domain, options = MODELS[name]
        model = write_run(root / name, name, domain=domain, **options)
        label = ["--label", COND[name]] if name in COND else []
        return (
            model,
            root / f"{name}.onnx",
            call("export", root / name, root / f"{name}.onnx", *label, "--json"),
        )

    return make


def items(domain, n):
    levels = torch.tensor(domain.levels_per_variable).reshape(domain.event_shape)
    noise = torch.rand(n, *domain.event_shape, generator=torch.Generator().manual_seed(1))
    return (noise * levels).long()


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_conditionals_are_the_models(name, exported):
    """Of all sites up to a hundred; three rows, while the exporter saw two and the proof one."""
    model, path, _ = exported(name)
    card = json.loads(path.with_suffix(".onnx.json").read_text())
    x = items(model.domain, 3)
    cond = model.expand_cond(COND.get(name), 3)
    whole = session(path.with_suffix(".parallel.onnx").read_bytes()).run(None, {"x": x.numpy()})[0]
    own = logits(model.head, model(x, cond).flatten(0, 1)).reshape(3, model.domain.size, -1)
    assert difference(log_softmax(whole), log_softmax(own.numpy())) < 1e-5

    step, state = session(path.read_bytes()), model.init_state(3, cond=cond)
    names = [leaf["name"] for leaf in card["state"]]
    assert [value.name for value in step.get_inputs()] == ["prev", "t", *names]
    after = [name.replace("state", "next") for name in names]
    assert [value.name for value in step.get_outputs()] == ["logits", *after]
    given = {
        leaf["name"]: np.resize(np.array(leaf["initial"], leaf["type"]), (3, *leaf["shape"]))
        for leaf in card["state"]
    }
    sites, phases = model.to_sites(x), model.schedule()
    assert model.sites == card["sites"] >= min(100, model.domain.size)
    for t in range(model.sites):
        prev = sites[:, max(t - 1, 0)]
        params, state = model.step(prev, state, torch.tensor(t), phase=phases[t])
        row, *after = step.run(None, {"prev": prev.numpy(), "t": np.array(t), **given})
        given = dict(zip(given, after, strict=True))
        assert difference(log_softmax(row), log_softmax(logits(model.head, params).numpy())) < 1e-5
        assert difference(log_softmax(row)[:, 0], log_softmax(whole)[:, t]) < 1e-5


def test_the_command_line_says_what_it_wrote(exported):
    _, path, ended = exported("made")
    assert ended.status == 0, ended.err
    result = json.loads(ended.out)
    assert [Path(file).name for file in result["files"]] == [
        "made.onnx",
        "made.parallel.onnx",
        "made.onnx.json",
    ]
    assert all(Path(file).parent == path.parent and Path(file).is_file() for file in result["files"])
    assert 0 <= result["difference"] < 1e-5
    card = json.loads(Path(result["files"][2]).read_text())
    for file in result["files"][:2]:
        assert (
            json.loads(session(Path(file).read_bytes()).get_modelmeta().custom_metadata_map["chainrule"])
            == card
        )
    assert (
        card["shape"] == [6] and card["levels"] == [2, 5, 3, 7, 4, 5] and card["order"] != [0, 1, 2, 3, 4, 5]
    )


def test_the_card_says_order_start_and_characters(tmp_path):
    domain = cr.Domain.sequence(4, 3)
    write_run(tmp_path / "run", "lstm", domain=domain, width=4, ordering="reversed")
    with (tmp_path / "run" / "config.yaml").open("a") as config:
        config.write("vocabulary: abc\n")
    run = cr.Run.open(tmp_path / "run")
    learned, zeros = torch.tensor([[0.5, -1.0]]), torch.zeros(1, 2, 3)
    card = make_card(run.model, run, [learned, zeros], ["state_0", "state_1"])
    assert card["order"] == [3, 2, 1, 0] and card["vocabulary"] == "abc"
    assert card["state"] == [
        {"name": "state_0", "type": "float32", "shape": [2], "initial": [0.5, -1.0]},
        {"name": "state_1", "type": "float32", "shape": [2, 3], "initial": 0.0},
    ]


def test_each_site_does_the_work_of_its_kind():
    """Graphs by hand, of kind i: x → x + i."""
    from onnx import TensorProto, helper

    def kind(i):
        number = helper.make_tensor("number", TensorProto.FLOAT, [1], [i])
        types = {"t": TensorProto.INT64, "x": TensorProto.FLOAT}
        given = [
            helper.make_tensor_value_info(name, kind, [1] * (name == "x")) for name, kind in types.items()
        ]
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        nodes = [helper.make_node("Add", ["x", "number"], ["y"])]
        graph = helper.make_graph(nodes, "kind", given, [result], [number])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)

    schedule = [0, 3, 1, 1, 4, 2]
    joined = session(by_phase([kind(i) for i in range(5)], schedule).SerializeToString())
    x = np.array([10], np.float32)
    found = [joined.run(["y"], {"x": x, "t": np.array(t)})[0].item() - 10 for t in range(8)]
    assert found == [*schedule, 2, 2]  # after the last site the steps of a stream are of its kind


def test_kinds_of_sites_share_their_weights(exported):
    """A row's first pixel does more work than the others; the graph holds weights once, and no path of this machine."""
    import onnx

    model, path, _ = exported("gated-pixelcnn")
    assert len(set(model.schedule())) == 2
    graph = onnx.load(path).graph
    held = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert sum(array.size for array in held if array.dtype == np.float32) < 1.2 * parameters
    assert [node.op_type for node in graph.node].count("If") == 1
    assert b"chainrule/networks" not in path.read_bytes()


# --- the page ----------------------------------------------------------------------------------------


def blocks(language):
    page = (ROOT / "docs" / "how-to" / "export.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def ours(name, model, n):
    """Items of the model, and their noise."""
    noise = torch.rand(n, model.domain.size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    drawn = model.sample(n, generator=torch.Generator().manual_seed(3), cond=COND.get(name), runner=model)
    return drawn, noise


@pytest.mark.parametrize("name", ["lstm", "gated-pixelcnn", "made"])
def test_the_page_samples_without_torch(name, exported, tmp_path):
    model, path, _ = exported(name)
    expected, noise = ours(name, model, 4)
    np.save(tmp_path / "noise.npy", noise.numpy())
    (tmp_path / "sample.py").write_text(blocks("python")[0])
    program = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    arguments = "sample.py", path, 4, "noise.npy"
    status, _, said = ended(*arguments, program=(*PYTHON, program), cwd=tmp_path)
    assert status == 0, said
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy"), expected.numpy())


def test_the_page_scores(exported):
    model, path, _ = exported("made")
    names = {}
    exec(blocks("python")[1], names)
    x = items(model.domain, 5)
    scored = names["log_prob"](path.with_suffix(".parallel.onnx"), x.numpy())
    np.testing.assert_allclose(scored, model.log_prob(x).detach().numpy(), atol=1e-5)


@pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / "onnxruntime-web").is_dir(),
    reason="needs node and `npm install onnxruntime-web`",
)
@pytest.mark.parametrize("name", ["lstm", "gated-pixelcnn", "made"])
def test_the_page_samples_from_javascript(name, exported, tmp_path):
    model, path, _ = exported(name)
    expected, noise = ours(name, model, 4)
    (tmp_path / "noise.json").write_text(json.dumps(noise.tolist()))
    (tmp_path / "sample.mjs").write_text(blocks("javascript")[0])
    (tmp_path / "node_modules").symlink_to(MODULES.resolve())
    arguments = "sample.mjs", path, 4, "noise.json"
    status, out, said = ended(*arguments, program=("node",), cwd=tmp_path)
    assert status == 0, said
    np.testing.assert_array_equal(json.loads(out), expected.flatten(1).numpy())


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "domain", "options", "reason"),
    [
        ("maf", cr.Domain.vector(4), {}, "draws one variable after another"),
        ("vae", cr.Domain.image(1, 8, 8, levels=2), {}, "draws one variable after another"),
        ("made-ensemble", cr.Domain.binary(6), {}, "cr.export(model.factorisation, path)"),
        ("made", cr.Domain.vector(4), {}, "expected a model of levels"),
        ("pixelcnn-plus-plus", cr.Domain.image(3, 8, 8), {}, "export gated-pixelcnn"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(name, domain, options, reason, tmp_path):
    model = cr.models.registry.tiny_model(name, domain, **options)
    with pytest.raises(ChainruleError, match=re.escape(reason)) as refused:
        cr.export(model, tmp_path / "model.onnx")
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


def test_a_condition_is_needed_where_there_is_one(tmp_path):
    domain, options = MODELS["lstm"]
    with pytest.raises(ConditionError, match="the model is conditional"):
        cr.export(cr.create_model("lstm", domain, **options), tmp_path / "model.onnx")


@pytest.mark.parametrize("out", ["model.pt", "-"])
def test_the_output_is_an_onnx_file(out, tmp_path):
    write_run(tmp_path / "run", "made", domain=cr.Domain.binary(4), hidden=[4])
    refused = call("export", tmp_path / "run", out)
    assert refused.status == 1 and refused.err.count("\n") == 1 and "expected a file NAME.onnx" in refused.err


def test_a_missing_package_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    model = cr.create_model("made", cr.Domain.binary(4), hidden=[4])
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'chainrule[export]'")):
        cr.export(model, tmp_path / "model.onnx")


@torch.no_grad()
def test_other_log_probabilities_are_refused(exported):
    model, path, _ = exported("made")
    leaves = Leaves(model.init_state(1))
    graphs = path.read_bytes(), path.with_suffix(".parallel.onnx").read_bytes()
    names = [leaf["name"] for leaf in json.loads(path.with_suffix(".onnx.json").read_text())["state"]]
    assert prove(model, None, leaves, names, *graphs) < 1e-5
    bias = model.network.out.bias
    before = bias.clone()
    bias[0] += 1e-2
    with pytest.raises(ChainruleError, match="nothing was written"):
        prove(model, None, leaves, names, *graphs)
    bias.copy_(before)

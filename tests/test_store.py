"""Models and runs on disk: the same numbers come back, and damage is told."""

import json
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml
from torch import nn

import chainrule as cr
from chainrule.errors import RunError
from chainrule.files import write_text
from chainrule.heads import Categorical
from chainrule.models import load_model, save_model
from chainrule.training import Recipe, Run
from chainrule.training.folder import write_config
from chainrule.training.run import COLUMNS

DOMAIN = cr.Domain.image(1, 4, 4, levels=3)


@pytest.fixture
def folder(tmp_path):
    """A run folder that no training wrote."""
    torch.manual_seed(0)
    save_model(cr.create_model("causal-conv1d", DOMAIN, channels=4), tmp_path, version="0")
    write_config(tmp_path, {"chainrule": "0", "model": "causal-conv1d", "vocabulary": None})
    rows = ["0,8,9.0,8.0,1.0,0.1,0.5", "1,16,nan,nan,nan,0.1,1.0", "2,24,8.0,7.5,0.9,0.1,1.5"]
    write_text(tmp_path / "metrics.csv", "\n".join([",".join(COLUMNS), *rows]) + "\n")
    return tmp_path


def change_card(folder, **changes):
    card = json.loads((folder / "model.json").read_text()) | changes
    kept = {key: value for key, value in card.items() if value is not ...}
    (folder / "model.json").write_text(json.dumps(kept))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    safetensors.torch.save_file(change(safetensors.torch.load_file(path)), path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_numbers_come_back(tmp_path, dtype):
    torch.manual_seed(1)
    model = cr.create_model("lstm", DOMAIN, width=8, ordering="random-3", classes=4).to(dtype)
    save_model(model, tmp_path, version="0")
    loaded = load_model(tmp_path)
    x, labels = torch.randint(0, 3, (5, 1, 4, 4)), torch.arange(5) % 4
    assert torch.equal(model.eval().log_prob(x, labels), loaded.log_prob(x, labels))
    assert not loaded.training
    assert (loaded.name, loaded.hyperparameters, loaded.dtype) == ("lstm", model.hyperparameters, dtype)


def test_levels_of_each_column_come_back(tmp_path):
    model = cr.create_model("count-table", cr.Domain.categorical(3, levels=(2, 4, 3)))
    model.estimate(torch.tensor([[0, 3, 2], [1, 0, 0]]))
    save_model(model, tmp_path, version="0")
    assert load_model(tmp_path).domain == model.domain
    assert load_model(tmp_path).log_prob(torch.tensor([[0, 3, 2]])).isfinite()


class OwnNetwork(nn.Module):
    """Each site's logits from the number of sites before it."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(16, 3))

    def forward(self, sites):
        return self.logits.expand(len(sites), -1, -1)


def test_your_own_model_is_loaded_into_one_of_its_kind(tmp_path):
    model, fresh = (cr.AutoregressiveModel(OwnNetwork(), DOMAIN, Categorical(3)) for _ in range(2))
    save_model(model, tmp_path, version="0")
    x = torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    assert not torch.equal(fresh.log_prob(x), model.log_prob(x))
    assert torch.equal(load_model(tmp_path, fresh).log_prob(x), model.log_prob(x))
    with pytest.raises(RunError, match=r"not in the registry; pass it: load\("):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["config.yaml", "model.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage", "folder"])
def test_damaged_files_are_named(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\xff\x00[{:"}[damage]
        )
    if (name, damage) == ("config.yaml", "cut"):
        path.write_bytes(b"training: {epochs: 3")  # half a YAML file can be a whole one
    with pytest.raises(RunError, match=f"{name}: "):
        Run.open(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99, "chainrule": "7.1"}, r"written by chainrule 7\.1 in format 99.*upgrade"),
        ({"format": "one"}, "format: expected an integer, got 'one'"),
        ({"format": ...}, "format: expected an integer, got None"),
        ({"name": "causal-conv"}, "did you mean 'causal-conv1d'"),
        ({"name": ["x"]}, r"model\.json: no model"),
        ({"domain": ...}, "lacks 'domain'"),
        ({"domain": {"levels": 3}}, "lacks 'event_shape'"),
        (
            {"domain": {"event_shape": [1, 4, 4], "levels": -1, "layout": "image"}},
            "levels: expected at least 1",
        ),
        ({"domain": "image"}, r"model\.json: no model"),
        ({"hyperparameters": ...}, "lacks 'hyperparameters'"),
        ({"hyperparameters": {"chanels": 4}}, "did you mean 'channels'"),
        ({"hyperparameters": {"channels": 0}}, "channels: expected an integer ≥ 1, got 0"),
        ({"hyperparameters": {"channels": 4, "dropout": 2}}, r"model\.json: .*dropout.* 2"),
        ({"hyperparameters": [4]}, r"model\.json: no model"),
        (
            {"hyperparameters": {"channels": 5}},
            r"expected torch\.float32 \(16, 5\), got torch\.float32 \(16, 4\)",
        ),
    ],
)
def test_cards_that_build_no_model(folder, changes, message):
    change_card(folder, **changes)
    with pytest.raises(RunError, match=message):
        cr.load(folder)


NAME = "network.first.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {k: v for k, v in w.items() if k != NAME}, f"{NAME}: expected .*, got nothing"),
        (lambda w: w | {"more": torch.zeros(1)}, r"more: expected nothing, got torch\.float32 \(1,\)"),
        (lambda w: w | {NAME: w[NAME][:1].clone()}, rf"{NAME}: expected .*\(4, 7, 1\), got .*\(1, 7, 1\)"),
        (lambda w: w | {NAME: w[NAME].long()}, rf"{NAME}: expected torch\.float32 .*, got torch\.int64"),
        (lambda w: w | {NAME: w[NAME] * torch.nan}, f"{NAME}: expected finite numbers, got nan"),
        (lambda w: w | {NAME: w[NAME] - torch.inf}, f"{NAME}: expected finite numbers, got -inf"),
    ],
)
def test_weights_that_are_not_the_models(folder, change, message):
    change_weights(folder, change)
    with pytest.raises(RunError, match=rf"model\.safetensors: {message}"):
        cr.load(folder)


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "config.yaml"])
def test_nothing_is_unpickled(folder, name):
    torch.save(Bomb(folder / "boom"), folder / "control.pt")
    torch.load(folder / "control.pt", weights_only=False)
    (folder / "boom").unlink()  # the bomb works

    for content in (pickle.dumps(Bomb(folder / "boom")), (folder / "control.pt").read_bytes()):
        (folder / name).write_bytes(content)
        with pytest.raises(RunError):
            Run.open(folder)
    assert not (folder / "boom").exists()


@pytest.mark.parametrize("read", [lambda path: Run.open(path.parent), Recipe.read], ids=["run", "recipe"])
def test_yaml_tags_make_no_objects(folder, read):
    path, bomb = folder / "config.yaml", f"!!python/object/apply:os.mkdir ['{folder / 'boom'}']"
    yaml.unsafe_load(bomb)
    (folder / "boom").rmdir()  # the bomb works
    path.write_text(f"{path.read_text()}data: {bomb}\n")
    with pytest.raises(cr.errors.ChainruleError, match=r"config\.yaml: not readable as YAML"):
        read(path)
    assert not (folder / "boom").exists()


def test_a_failed_save_leaves_the_old_weights(folder, monkeypatch):
    before = (folder / "model.safetensors").read_bytes()

    def fails(tensors, path, metadata=None):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", fails)
    with pytest.raises(cr.errors.ChainruleError, match="No space left"):
        save_model(cr.create_model("causal-conv1d", DOMAIN, channels=4), folder, version="0")
    assert (folder / "model.safetensors").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_run_comes_back(folder):
    run = Run.open(folder)
    assert run.config["model"] == run.model.name == "causal-conv1d"
    assert [row["epoch"] for row in run.metrics] == [0, 1, 2]
    assert run.best == run.metrics[2]  # an epoch that is no number is never the best
    assert run.vocabulary is None
    with pytest.raises(RunError, match="nowhere: no such run;"):
        Run.open(folder / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch,step\n0,1\n", "expected the columns .*'train_nats' is missing"),
        (",".join(COLUMNS) + "\n0,1,x,2,3,4,5\n", "expected rows of numbers .*'x'"),
        (",".join(COLUMNS) + "\n0,1\n", "expected rows of numbers"),
    ],
)
def test_damaged_curves_are_told(folder, content, message):
    (folder / "metrics.csv").write_text(content)
    with pytest.raises(RunError, match=rf"metrics\.csv: {message}"):
        Run.open(folder)


def test_characters_survive_yaml(folder):
    characters = "\t\n\r \"#'%:é—\u0085\u2028\ufeff😀"
    write_config(folder, {"vocabulary": characters})
    assert Run.open(folder).vocabulary == characters
    write_config(folder, {"vocabulary": 7})
    with pytest.raises(RunError, match=r"vocabulary .*expected characters, got 7"):
        _ = Run.open(folder).vocabulary


def test_a_small_net_of_large_masks_is_opened(tmp_path):
    """What fills a mask takes no memory: a narrow PixelCNN of colours was taken for one that its file cannot hold."""
    model = cr.create_model("pixelcnn", cr.Domain.parse("image:3x6x6:256"), channels=4, depth=2)
    save_model(model, tmp_path, version="0")
    assert load_model(tmp_path).hyperparameters == model.hyperparameters

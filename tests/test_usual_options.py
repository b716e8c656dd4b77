"""What people expect of a command line: -h, --version, -q, completion, long options, hints, progress in 80 columns."""

import json
import os
import pty
import re
import sys
import threading

import pytest
import typer

import chainrule as cr
from chainrule.cli import main
from chainrule.cli.app import app
from chainrule.cli.commands import COMMANDS
from chainrule.cli.process import take_switches
from chainrule.errors import nearest
from chainrule.models import hyperparameters_of, list_models
from chainrule.models.hyperparameters import meanings, parameters_of
from chainrule.models.registry import model_entry
from chainrule.synonyms import SYNONYMS, synonyms
from chainrule.training import Recipe, TrainingConfig
from children import PROGRAM, child, ended
from digits_run import write_run

BUILT = typer.main.get_command(app).commands
QUICK = ("--set", "channels=4", "--set", "depth=2", "--device", "cpu")


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    write_run(folder, "causal-conv1d", channels=4, depth=2)
    return folder


# --- options of every command ------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version(flag, capsys):
    assert main([flag]) == 0
    assert capsys.readouterr().out == f"chainrule {cr.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help(name, capsys):
    assert main([*name.split(), "-h"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["Usage:", "chainrule", name.split()[0]]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_short_option_has_a_long_form_and_the_output_one_name(name):
    for parameter in BUILT[name].params:
        if parameter.param_type_name != "option":
            continue
        assert any(option.startswith("--") for option in parameter.opts), parameter.name
        if parameter.name == "out":
            assert set(parameter.opts) == {"--out", "-o"}
        assert "-o" not in parameter.opts or parameter.name == "out"


def test_switches_stand_anywhere_before_two_dashes():
    assert take_switches(["a", "-q", "b", "--debug"]) == (["a", "b"], {"--quiet", "--debug"})
    assert take_switches(["-q", "--", "-q", "--verbose"]) == (["--", "-q", "--verbose"], {"--quiet"})


def test_completion_knows_the_commands(monkeypatch, capsys):
    monkeypatch.setenv("_CHAINRULE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "chainrule comp")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert main([]) == 0
    assert set(capsys.readouterr().out.split()) == {
        "compare",
        "compare-tables",
        "complete",
        "compress",
        "compile",
    }


def test_quiet_leaves_results_and_errors(digits_run, tmp_path, capsys):
    command = ["sample", str(digits_run), "-n", "2", "-o", str(tmp_path / "x.npy")]
    assert main(command) == 0 and "2 samples" in capsys.readouterr().err
    assert main([*command, "-q"]) == 0 and capsys.readouterr() == ("", "")
    assert main(["--quiet", *command[:-2], "--json"]) == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)["items"]) == 2 and said.err == ""
    assert main(["-q", "sample", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("error: nowhere: no such run")
    assert main(command) == 0 and "2 samples" in capsys.readouterr().err  # it ends with its command


# --- progress ----------------------------------------------------------------------------------------------


def on_terminal(*arguments, columns=80):
    """What a command writes to a terminal of so many columns on its standard error."""
    leader, follower = pty.openpty()
    shown = bytearray()

    def read():
        try:
            while part := os.read(leader, 4096):
                shown.extend(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    code = f"import os, sys; os.dup2({follower}, 2); from chainrule.cli import main; sys.exit(main(sys.argv[1:]))"
    size = {"COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    program = (sys.executable, "-c", code)
    os.environ.update(size)
    try:
        with child(*arguments, program=program, pass_fds=[follower]) as process:
            os.close(follower)
            reader.start()
            process.communicate(timeout=300)
            status = process.returncode
    finally:
        for name in size:
            del os.environ[name]
    reader.join()
    os.close(leader)
    return status, shown.decode()


def test_bar_time_and_estimate_stay_in_80_columns(tmp_path):
    model = ("train", "causal-conv1d", "--data", "digits", *QUICK, "--epochs", "2", "-o", tmp_path / "run")
    status, shown = on_terminal(*model)
    assert status == 0, shown
    lines = re.findall(r"epoch +\d+ [^\r\n\x1b]*.*?(?=[\r\n])", shown)
    plain = [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line) for line in lines]
    withvalues = [line for line in plain if "valid" in line]
    assert withvalues
    for line in withvalues:
        assert re.match(r"epoch +\d+ \S+ *\d:\d\d:\d\d left (\d:\d\d:\d\d|-:--:--) valid \d", line), line
        assert len(line.rstrip()) <= 80


def test_piped_progress_is_a_line_per_epoch(tmp_path):
    model = ("train", "causal-conv1d", "--data", "digits", *QUICK, "--epochs", "3", "-o", tmp_path / "run")
    status, _, said = ended(*model, program=PROGRAM)
    assert status == 0 and not set(said) & {"\x1b", "\r"}
    epochs = [line for line in said.splitlines() if line.startswith("epoch ")]
    assert [line.split(" (")[0] for line in epochs] == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]
    assert all(
        re.search(r"\): valid [\d.]+ nats  [\d.]+ bits/dim  best [\d.]+  train [\d.]+$", e) for e in epochs
    )
    assert "about 0:0" in epochs[0] and "left" not in epochs[-1]


# --- hints -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "word", "meant"),
    [
        ("causal-conv1d", "width", "'channels'"),
        ("causal-conv1d", "hidden_size", "'channels'"),
        ("lstm", "units", "'width'"),
        ("made", "layers", "'hidden'"),
        ("transformer", "num_layers", "'depth'"),
        ("transformer", "n_head", "'heads'"),
        ("lstm", "learning_rate", "'lr'"),
        ("lstm", "bs", "'batch_size'"),
        ("lstm", "wd", "'weight_decay'"),
        ("lstm", "drop-out", "'dropout'"),
        ("maf", "num_flows", "'transforms'"),
    ],
)
def test_a_synonym_names_what_this_model_has(model, word, meant, capsys):
    assert main(["train", model, "--data", "digits", "--set", f"{word}=2"]) == 1
    assert f"did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "meant"),
    [("gpt", "gpt2"), ("pixel-cnn", "pixelcnn"), ("PixelCNN++", "pixelcnn-plus-plus"), ("glow", "realnvp")],
)
def test_a_synonym_of_a_model(word, meant):
    assert nearest(word, list_models()) == f"did you mean {meant!r}?"


def test_every_group_of_synonyms_leads_somewhere():
    known = {key for model in list_models() for key in hyperparameters_of(model)} | set(list_models())
    known |= set(vars(TrainingConfig())) | {data.name for data in cr.list_data()} | {"mnist", "cifar-10"}
    for group in SYNONYMS:
        words = group.split()
        assert set(words) & known and synonyms(words[-1], known), group


@pytest.mark.parametrize(
    ("option", "setting"),
    [("--learning-rate", "learning_rate"), ("--lr", "lr"), ("--heads", "heads"), ("--epoch", None)],
)
def test_an_option_that_is_a_setting_is_named_as_one(option, setting, capsys):
    assert main(["train", "made", "--data", "digits", option, "1"]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"No such option: {option}" in said and ("--set" in said) == (setting is not None)
    assert setting is None or f"--set {setting}=VALUE" in said


def test_a_model_that_does_not_fit_names_those_that_do():
    data = cr.load_data("digits")
    rows = cr.load_data(data.train.flatten(1).double() / 17)
    with pytest.raises(cr.errors.DomainError, match=r"pixelcnn: .*models that fit: maf, rnade, nsf$"):
        Recipe("pixelcnn").build(rows)
    with pytest.raises(cr.errors.DomainError, match=r"^ordering: expected natural(?!.*models that fit)"):
        Recipe("made", hyperparameters={"ordering": "sideways"}).build(data)


# --- what can be set ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["made", "gated-pixelcnn"])
def test_models_describes_what_train_takes(model, capsys):
    assert main(["models", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["hyperparameters"]) == set(hyperparameters_of(model))
    assert set(found["training"]) == set(vars(TrainingConfig()))
    assert all(row["meaning"] for row in found["training"].values())
    assert found["training"]["lr"]["default"] == model_entry(model).model.training_defaults["lr"]
    assert main(["models", model]) == 0
    assert "learning rate" in capsys.readouterr().out


def test_every_hyperparameter_is_described():
    lacking = []
    for name in list_models():
        cls = model_entry(name).model
        said = meanings(cls) | meanings(getattr(cls, "of", cls))
        lacking += [f"{name}: {key}" for key in parameters_of(cls) if not said.get(key)]
    assert lacking == []


# --- report ------------------------------------------------------------------------------------------------


def test_report_writes_the_page_again(digits_run, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["report", str(digits_run), "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n" and "<html" in page.read_text()
    assert main(["report", str(digits_run), "-o", str(tmp_path / "page.txt")]) == 1
    assert "expected the ending .html, got .txt" in capsys.readouterr().err

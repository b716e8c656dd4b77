"""Files of strangers: a run that asks for more than it is, names that move cursors, cells that are formulas."""

import json
import time

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
import yaml

import chainrule as cr
from chainrule.cli import main
from chainrule.cli.output import printable, say
from chainrule.errors import ChainruleError, RunError
from chainrule.models import save_model
from chainrule.printable import drawn
from chainrule.report.frame import without_formulas
from chainrule.report.marginals import draw_marginals
from chainrule.tasks.comparison.cells import Cells
from chainrule.training import Run
from chainrule.training.checkpoint import SafetensorsIO
from chainrule.training.yaml_text import parse_yaml


@pytest.fixture
def folder(tmp_path):
    """A run folder of a tiny model."""
    torch.manual_seed(0)
    save_model(cr.create_model("made", cr.Domain.binary(6), hidden=[8]), tmp_path, version="0")
    (tmp_path / "config.yaml").write_text("chainrule: '0'\nmodel: made\ndata:\n  source: digits\n")
    return tmp_path


def refused(folder, within=5.0):
    """In one line, and soon; the line."""
    start = time.process_time()
    with pytest.raises(RunError) as error:
        Run.open(folder)
    assert time.process_time() - start < within
    assert str(folder) in str(error.value)
    return str(error.value)


def change(folder, **fields):
    card = json.loads((folder / "model.json").read_text())
    for name, value in fields.items():
        part, _, key = name.partition("__")
        if key:
            card[part][key] = value
        else:
            card[part] = value
    (folder / "model.json").write_text(json.dumps(card))


# --- model.json -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("made", {"hidden": [10**9]}),
        ("made", {"hidden": [40_000, 40_000]}),
        ("lstm", {"width": 10**9}),
        ("lstm", {"width": 60_000, "depth": 2}),
        ("lstm", {"depth": 4_000_000}),
        ("nade", {"hidden": 3 * 10**9}),
        ("transformer", {"channels": 2**20, "heads": 2}),
        ("made-committee", {"members": 2_000_000}),
        ("stcn", {"depth": 10**9}),
        ("wavenet", {"channels": 10**6, "skip": 10**6}),
        ("causal-conv1d", {"kernel_size": 10**9}),
        ("causal-conv1d", {"channels": -5}),
        ("causal-conv1d", {"channels": 10**400}),
        ("vq-vae", {"size": 10**8}),
        ("fvsbn", {"classes": 10**9}),
    ],
)
def test_a_card_that_asks_for_all_memory(name, hyperparameters, folder):
    if name in ("stcn", "wavenet", "causal-conv1d"):
        change(folder, domain__layout="sequence")
    if name == "vq-vae":
        change(folder, domain__layout="image", domain__event_shape=[1, 8, 8])
    change(folder, name=name, hyperparameters=hyperparameters)
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # KiB


@pytest.mark.parametrize(
    "fields",
    [
        {"domain__event_shape": [10**12]},
        {"domain__event_shape": [30_000_000]},
        {"domain__event_shape": [1e999]},
        {"domain__event_shape": "many"},
        {"domain__event_shape": []},
        {"domain__levels": 10**10},
        {"domain__levels": [2] * 5},
        {"domain__columns": [{"name": 3}]},
        {"domain__lengths": {}},
        {"domain": []},
        {"name": ["made"]},
        {"hyperparameters": "none"},
        {"hyperparameters": {"hidden": {"a": 1}}},
        {"format": 10**30},
    ],
)
def test_a_card_of_wrong_types(fields, folder):
    change(folder, **fields)
    refused(folder)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 50_000, '{"format": ' + "9" * 5000 + "}", "\ud800", "{}", "[]", '"', ""],
)
def test_a_card_that_is_no_card(content, folder):
    (folder / "model.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    refused(folder)


def test_cards_of_honest_runs_are_read(folder):
    assert cr.load(folder).domain.size == 6


def test_loading_draws_the_same_random_numbers_however_often(folder):
    torch.manual_seed(3)
    cr.load(folder)
    expected = torch.rand(1)
    torch.manual_seed(3)
    cr.create_model("made", cr.Domain.binary(6), hidden=[8])
    assert torch.equal(torch.rand(1), expected)


# --- weights and checkpoints ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64, torch.int8])
def test_weights_in_numbers_that_no_model_computes_with(dtype, folder):
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({name: tensor.to(dtype) for name, tensor in tensors.items()}, path)
    assert "expected" in refused(folder) and str(dtype) in refused(folder)


@pytest.mark.parametrize(
    "tree",
    [
        "[" * 100_000,
        "9" * 5000,
        "{}",
        '{"dict": [[{"list": []}, 1]]}',
        '{"tensor": "a"}',
        '{"tensor": []}',
        '{"dict": 3}',
        '{"a": 1, "b": 2}',
        None,
    ],
)
def test_a_checkpoint_of_another_tree(tree, tmp_path):
    path = tmp_path / "last.safetensors"
    safetensors.torch.save_file(
        {"0": torch.zeros(2)}, path, metadata=None if tree is None else {"tree": tree}
    )
    with pytest.raises(RunError, match="not a readable checkpoint"):
        SafetensorsIO().load_checkpoint(path)


def test_a_foreign_checkpoint_is_not_gone_on_with(tmp_path):
    data = cr.load_data("digits")
    run = tmp_path / "run"

    def fit(resume):
        torch.manual_seed(0)
        model = cr.create_model("causal-conv1d", data.domain, channels=8)
        cr.fit(model, data, out=run, device="cpu", epochs=1, progress=False, resume=resume)

    fit(False)
    path = run / "checkpoints" / "last.safetensors"
    whole = SafetensorsIO().load_checkpoint(path)
    broken = {
        "callbacks": {},
        "state_dict": {},
        "loops": {"fit_loop": {}},
        "optimizer_states": [{"state": 3}],
    }
    for key, value in {**broken, "epoch": "two", "pytorch-lightning_version": 7}.items():
        SafetensorsIO().save_checkpoint({**whole, key: value}, path)
        try:
            fit(True)
        except RunError as error:
            assert "remove it to start again" in str(error)
    for tree in ({}, {"a": 1}, {"state_dict": {}, "epoch": 1}):
        SafetensorsIO().save_checkpoint(tree, path)
        with pytest.raises(RunError, match="remove it to start again"):
            fit(True)


# --- YAML -------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: &a [*a]",
        "[" * 50_000,
        "{a: " * 300,
        "- " * 5_000 + "x",
        "[" + "0, " * 300_000 + "]",
        "x: " + "9" * 5000,
        "x: 2026-13-45",
        "x: 2026-02-30 25:61:61",
        "x: !!python/object/apply:os.system ['true']",
        "? [a, b]\n: c",
        "x: !!int 'a'",
        "\x00",
    ],
)
def test_yaml_that_is_no_configuration(text, folder, capsys):
    start = time.process_time()
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)
    assert time.process_time() - start < 5
    (folder / "config.yaml").write_text(text)
    assert "not readable as YAML" in refused(folder)
    (folder / "recipe.yaml").write_text(text)
    assert main(["train", str(folder / "recipe.yaml")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_aliases_count_as_what_they_stand_for():
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: 1e-3") == {"a": [1, 2], "b": [1, 2], "c": 0.001}


def test_files_without_an_end(folder):
    for name in ("config.yaml", "model.json"):
        kept = (folder / name).read_text()
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")
        refused(folder)
        (folder / name).unlink()
        (folder / name).write_text(kept)
    (folder / "config.yaml").write_text("a: " + "x" * 5_000_000)
    assert "at most" in refused(folder)


@pytest.mark.parametrize("content", ["epoch\n1\n", "epoch,step\n\x00,1\n", "é", '"', "epoch,step,train_nats,valid_nats,"
                                     "valid_bits_per_dim,lr,seconds\n1,2,x,4,5,6,7\n"])  # fmt: skip
def test_a_curve_that_is_none(content, folder):
    (folder / "metrics.csv").write_bytes(content.encode("latin-1"))
    if content not in ('"',):
        refused(folder)


# --- what a run names is not opened unasked ---------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "hf:a/b",
        "https://example.org/x.csv",
        "\\\\server\\x.csv",
        "//server/x.csv",
        "/dev/zero",
        "/etc/passwd",
        "nowhere",
    ],
)
def test_evaluate_opens_no_network_and_no_path_unasked(source, folder, capsys, monkeypatch):
    """Not even with a checksum, where it is no file of this machine."""

    def opened(*arguments, **options):
        raise AssertionError("opened")

    monkeypatch.setattr("chainrule.training.recipe.load_data", opened)
    for checksum in ({}, {"checksum": "sha256:00"}):
        data = {"source": source, **checksum}
        (folder / "config.yaml").write_text(yaml.safe_dump({"model": "made", "data": data}))
        assert main(["evaluate", str(folder), "--device", "cpu"]) == 1
        said = capsys.readouterr().err
        if source == "/etc/passwd" and checksum:  # `load_data` holds the file against it
            assert "opened" in said
        else:
            assert f"{source}; " in said and "--data" in said


def test_a_run_finds_its_own_data_and_no_other(tmp_path, capsys):
    path, run = tmp_path / "x.npy", tmp_path / "run"
    np.save(path, np.random.default_rng(0).integers(0, 3, (60, 4)))
    assert main(["train", "independent", "--data", str(path), "--out", str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0
    np.save(path, np.zeros((60, 4), int))
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 1
    assert "has changed since" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", str(path)]) == 0


# --- names ------------------------------------------------------------------------------------------------

TINY = ("--set", "hidden=[4]", "--set", "components=2", "--epochs", "1", "--device", "cpu")
EVIL = "a\x1b[2J\x1b]0;owned\x07\u202eb\r\x9b31m"


def test_no_terminal_obeys_what_is_said(capsys):
    say(f"note: {EVIL}\nand on")
    said = capsys.readouterr().err
    assert said == f"note: {printable(EVIL)}\nand on\n"
    assert set(said) <= set(map(chr, range(32, 127))) | {"\n"}


@pytest.fixture
def table(tmp_path):
    """A file whose column and categories are not what they look like."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {EVIL: rng.choice([f"=1+1{EVIL}", "@x", "-5", "$\\alpha$"], 80), "_$x": rng.normal(size=80)}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_names_of_data_on_the_terminal_and_on_the_page(table, tmp_path, capsys):
    run = tmp_path / "run"
    commands = (
        ["data", table],
        ["train", "made", "--data", table, *TINY, "--out", run],
        ["evaluate", run, "--data", tmp_path / f"{EVIL}.csv"],
        ["sample", run, "-n", "3", "-o", tmp_path / "s.csv"],
        ["score", run, table, "--blame"],
    )  # fmt: skip
    for command in commands:
        main(list(map(str, command)))
        out, err = capsys.readouterr()
        assert not set("\x1b\x07\u202e\x9b") & set(out + err), command
        assert "unexpected" not in err
    page = (run / "report.html").read_text()
    assert not set("\x1b\x07\u202e\x9b") & set(page)
    assert "<script" not in page


def test_text_on_a_terminal_is_what_can_be_seen(monkeypatch, capsys):
    from chainrule.cli.output import put

    put("a\x1b[2J\tb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    put("a\x1b[2J\tb")
    assert capsys.readouterr().out == "a\x1b[2J\tb\na\\x1b[2J\tb\n"


def test_names_in_pictures_are_no_formulas():
    levels, codes = ("$x$", "$", "_y", "\\frac{"), np.zeros(9)
    columns = [
        Cells(name, "category", (codes, codes), levels)
        for name in ("$\\frac{$", "a$b$c", "_hidden", "\x1b\x00", "x" * 500, "$")
    ]
    assert draw_marginals(columns).startswith(b"\x89PNG")
    assert drawn("a$b\x00", 9) == "a\\$b\\x00"


def test_pages_escape_what_they_show(tmp_path):
    frame = pd.DataFrame({"<script>alert(1)</script>": np.random.default_rng(0).normal(size=60)})
    frame.to_csv(tmp_path / "<b>.csv", index=False)
    source, run = str(tmp_path / "<b>.csv"), str(tmp_path / "run")
    status = main(["train", "made", "--data", source, *TINY, "--out", run])
    assert status == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script>" not in page and "<b>.csv" not in page and "&lt;b&gt;" in page


# --- CSV --------------------------------------------------------------------------------------------------


def test_formulas_are_neutralised_where_asked(table, tmp_path, capsys):
    run = tmp_path / "run"
    main(["train", "made", "--data", str(table), "--set", "hidden=[4]", "--epochs", "1", "--out", str(run)])
    cells = {}
    for option in ([], ["--safe-csv"]):
        out = tmp_path / f"s{len(option)}.csv"
        assert main(["sample", str(run), "-n", "40", "-o", str(out), *option]) == 0
        cells[len(option)] = pd.read_csv(out, dtype=str)
    plain, safe = cells[0].iloc[:, 0], cells[1].iloc[:, 0]
    assert plain.str.startswith("=").any() and plain.str.startswith("@").any()
    assert not safe.str.contains(r"^[=@]").any()
    assert (safe[plain == "-5"] == "-5").all() and (safe[plain == "@x"] == "'@x").all()
    assert cells[0].iloc[:, 1].equals(cells[1].iloc[:, 1])
    capsys.readouterr()


def test_numbers_stay_numbers():
    frame = pd.DataFrame({"=a": ["-1", "+2.5e3", "-a", "\t1"], "n": [-1.5, 2, 3, 4], "c": [True] * 4})
    safe = without_formulas(frame)
    assert list(safe.columns) == ["'=a", "n", "c"]
    assert safe["'=a"].tolist() == ["-1", "+2.5e3", "'-a", "'\t1"]
    assert safe["n"].equals(frame["n"])


# --- numbers and seeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tempo", [float("inf"), float("nan"), -1.0, 0.0, 1.0, 1e300])
def test_a_tempo_that_no_file_can_hold(tempo, tmp_path):
    from chainrule.report.midi import write_midi

    with pytest.raises(ChainruleError, match="tempo: expected"):
        write_midi(torch.zeros(4, 88), tmp_path / "a.mid", tempo=tempo)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999", "2026-13-45", "1e3", "[1]", "9" * 5000])
def test_seeds_that_are_none(seed, tmp_path, capsys):
    out = str(tmp_path / "run")
    for command in (["--set", f"seed={seed}"], ["--set", f"ordering=random-{seed}"]):
        assert main(["train", "made", "--data", "digits", *command, "--epochs", "1", "--out", out]) in (1, 2)
        said = capsys.readouterr().err
        assert "unexpected" not in said and "Traceback" not in said

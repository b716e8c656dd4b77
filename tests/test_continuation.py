"""Sequences that continue a prompt, from Python and the command line; and options that became commands."""

import contextlib
import io
import json

import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import ApproximateCompletionWarning, ChainruleError
from chainrule.tasks import continuation
from chainrule.tasks.continuation import prompt_levels
from chainrule.training import Run

TEXT = "the cat sat on the mat\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on a short text, with windows of 16 characters."""
    root = tmp_path_factory.mktemp("text")
    (root / "x.txt").write_text(TEXT * 40)
    data = cr.load_data(root / "x.txt", domain="sequence:16:11")
    model = cr.create_model("gru", data.domain, width=8)
    cr.fit(model, data, out=root / "run", epochs=1, device="cpu", progress=False)
    return root / "run"


@pytest.fixture
def run(folder):
    return Run.open(folder)


def seeded():
    return torch.Generator().manual_seed(3)


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, arguments), "--device", "cpu"])
    return status, out.getvalue(), err.getvalue()


def test_a_continuation_is_the_stream_after_the_prompt(run):
    drawn = continuation(run, "the cat", length=50, n=2, generator=seeded(), part=10)
    assert (drawn.domain.event_shape, drawn.n) == ((50,), 2)
    first, *rest = drawn.parts
    start = prompt_levels(run, "the cat")
    assert torch.equal(first, start.expand(2, -1))
    stream = run.model.stream(prompt=start, batch=2, generator=seeded(), block=9)  # 43 steps in equal parts
    expected = torch.cat([next(stream) for _ in rest], dim=1)[:, :43]
    assert torch.equal(torch.cat(rest, dim=1), expected)


def test_the_parts_do_not_change_what_is_drawn(run):
    whole = continuation(run, length=40, generator=seeded()).whole()
    assert torch.equal(continuation(run, length=40, generator=seeded(), part=1).whole(), whole)
    assert whole.shape == (1, 40)
    assert torch.equal(continuation(run, generator=seeded()).whole(), whole[:, :16])


def test_a_prompt_longer_than_the_window_is_continued_by_a_window(run):
    assert continuation(run, TEXT).whole().shape == (1, len(TEXT) + 16)


def test_a_model_of_another_ordering_completes_its_window(tmp_path):
    (tmp_path / "x.txt").write_text("abcab" * 40)
    data = cr.load_data(tmp_path / "x.txt", domain="sequence:8:3")
    model = cr.create_model("gru", data.domain, ordering="reversed", width=4)
    run = cr.fit(model, data, out=tmp_path / "run", epochs=1, device="cpu", progress=False)
    with pytest.warns(ApproximateCompletionWarning):
        drawn = continuation(run, "abc", n=3, generator=seeded()).whole()
    assert drawn.shape == (3, 8) and (drawn[:, :3] == prompt_levels(run, "abc")).all()
    with pytest.raises(ChainruleError, match="expected less than the window of 8"):
        continuation(run, "abc", length=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "prompt: expected at least one character"),
        ({"prompt": "cot"[:2] + "Z"}, "prompt: the run knows no character 'Z'"),
        ({"prompt": "the", "length": 3}, "length: expected more than the 3 characters of the prompt, got 3"),
        ({"n": 0}, "n: expected a number of sequences"),
        ({"part": 0}, "part: expected a number of steps"),
    ],
)
def test_what_is_refused(run, options, message):
    with pytest.raises(ChainruleError, match=message):
        continuation(run, **options)


# --- the command, and the options of `sample` that it has taken over ----------------------------------------


@pytest.mark.parametrize(
    "options", [("--prompt", "the cat"), ("--length", 30), ("--prompt", "the", "--length", 40, "-n", 2)]
)
def test_old_options_draw_the_same_and_name_the_new_command(folder, options):
    status, out, err = call("continue", folder, *options, "--seed", 5, "--json")
    assert (status, err) == (0, "")
    old = call("sample", folder, *options, "--seed", 5, "--json")
    assert old == (0, out, "hint: `chainrule continue` is the command for --prompt and --length\n")
    assert all(item.startswith(str(options[1])) for item in json.loads(out)["items"] if "--prompt" in options)


def test_one_text_is_printed_as_it_is_drawn(folder, run):
    status, out, _ = call("continue", folder, "-n", 1, "--prompt", "the", "--length", 40, "--seed", 3)
    levels = continuation(run, "the", length=40, generator=seeded()).whole()[0]
    assert status == 0 and out == "".join(run.vocabulary[level] for level in levels) + "\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt", "the", "--given", "0=1"), "expected --given, or --prompt and --length, got both"),
        (("--prompt", "the", "--like", __file__), "expected --like, or --prompt and --length, got both"),
        (("--given", "0=1", "--like", __file__), "expected --given or --like, got both"),
        (("--like", __file__), "--like: expected a run that was trained with --features"),
        (("--sampler", "eager", "--length", 9), "--sampler eager: expected none of"),
    ],
)
def test_options_that_exclude_one_another(folder, options, message):
    status, out, err = call("sample", folder, *options)
    assert (status, out) == (1, "") and message in err and "hint" not in err

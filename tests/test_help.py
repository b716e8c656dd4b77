"""The words of the help texts, and options that are declared once for several commands."""

import ast
import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import chainrule
from chainrule.cli import main
from chainrule.cli.app import app
from chainrule.cli.options.group import grouped

COMMANDS = typer.main.get_command(app).commands
# Private English, which users met first; "Of all randomness." is "Random seed.".
FORBIDDEN = re.compile(
    r"(?i:\b(told|tells?|behind|so many|strange items?|guess\w*|low byte first|from the first on)\b)|(^|[.:] )Of \w"
)
SOURCES = sorted((Path(chainrule.__file__).parent / "cli").rglob("*.py"))


def texts(command):
    """Help of a command, its epilog if any, and the help of each visible option, by name."""
    yield "help", command.help
    if command.epilog:
        yield "epilog", command.epilog
    for parameter in command.params:
        if not getattr(parameter, "hidden", False) and parameter.name != "help":
            yield parameter.name, parameter.help


@pytest.mark.parametrize(
    "words", ["Of recordings: Hz", "what is behind it", "Steps told before", "Guessing ahead"]
)
def test_the_words_are_found(words):
    assert FORBIDDEN.search(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_in_the_words_of_the_field(name):
    for parameter, text in texts(COMMANDS[name]):
        assert text, f"{name} {parameter}: has no help"
        assert not FORBIDDEN.search(text), f"{name} {parameter}: {text}"
        first = text.split()[0]
        assert first[0].isupper() or not first[0].isalpha() or first[0] in "hf", f"{name} {parameter}: {text}"
        assert first not in ("A", "An", "The", "What", "How", "Which", "Where"), f"{name} {parameter}: {text}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_messages_are_in_the_words_of_the_field(path):
    """Texts of the commands that are no docstrings: what they print, and what they refuse with."""
    tree = ast.parse(path.read_text())
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            assert not FORBIDDEN.search(node.value), node.value


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_name_commands_and_options_that_exist(name):
    found = re.findall(r"`chainrule (.+?)`", COMMANDS[name].help)
    assert found or name == "models"
    for example in found:
        words = re.sub(r'"[^"]*"', "text", example).split()
        command = " ".join(words[:2]) if words[:2] == ["data", "get"] else words[0]
        known = {option for p in COMMANDS[command].params for option in (*p.opts, *p.secondary_opts)}
        used = {word for word in words if word.startswith("-")}
        assert used <= known, example


# --- groups of options -----------------------------------------------------------------------------------


@dataclass
class Size:
    """Two options."""

    width: Annotated[int, typer.Argument(help="Width.")]
    height: Annotated[int, typer.Option("--high", min=1, help="Height.")] = 2


def test_a_group_is_spread_and_given_as_one():
    made, other = [], typer.Typer()

    def command(name: str, *, size: Size, times: int = 1) -> None:
        made.append((name, size, times))

    other.command()(grouped(command))
    run = CliRunner().invoke
    assert run(other, ["a", "3", "--high", "5", "--times", "4"]).exit_code == 0
    assert run(other, ["b", "3"]).exit_code == 0
    assert made == [("a", Size(3, 5), 4), ("b", Size(3), 1)]
    assert run(other, ["a", "3", "--high", "0"]).exit_code == 2 and len(made) == 2


def test_train_and_data_read_by_the_same_options():
    options = {
        name: {p.name: p for p in COMMANDS[name].params if p.param_type_name == "option"}
        for name in ("train", "data")
    }
    shared = set(options["train"]) & set(options["data"]) - {"json", "data_dir"}
    assert len(shared) == 18 and set(options["data"]) - shared == {"json", "data_dir"}
    for name in shared:
        assert options["train"][name].help == options["data"][name].help


def test_sample_hides_the_options_that_have_become_commands():
    hidden = {p.name for p in COMMANDS["sample"].params if getattr(p, "hidden", False)}
    assert hidden == {"to", "between", "steps", "prompt", "length"}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["--help"]) == 0
    assert "interpolate" in out.getvalue() and "continue" in out.getvalue()


def test_help_of_a_model_lists_what_it_takes(capsys):
    assert main(["train", "made", "--help"]) == 0
    of_made = capsys.readouterr().out
    assert "Usage: chainrule train" in of_made
    assert "Hyperparameters, --set NAME=VALUE" in of_made and "with the defaults of made" in of_made
    for words in (["train", "--help"], ["train", "nothing", "--help"], ["sample", "made", "--help"]):
        assert main(words) == 0
        assert "with the defaults of" not in capsys.readouterr().out

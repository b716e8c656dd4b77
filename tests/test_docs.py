"""The code of README and docs runs as printed, with less training; tables and pages made from records are current."""

import importlib
import json
import re
import sys
from pathlib import Path

import matplotlib
import pytest
import torch
import typer

import chainrule as cr
from chainrule.cli.app import app
from chainrule.testing import LawViolation
from chainrule.training import TrainingConfig
from own_files import PREPARED

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
pages = importlib.import_module("pages")
chapters = importlib.import_module("chapters")
reference = importlib.import_module("reference")
tables = importlib.import_module("tables")

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CHAPTERS = chapters.chapters()
DATA_PAGE = ROOT / "docs" / "how-to" / "data.md"
COMMANDS = typer.main.get_command(app)
EVERYWHERE = {"--debug", "--verbose", "--import", "--help"}  # options of every command
# Pages whose code other tests run, with runs of their own, and the help of every command, whose files are the reader's.
ELSEWHERE = {
    "how-to/images.md": "test_show.py",
    "how-to/export.md": "test_export.py",
    "how-to/extending.md": "extensions",
    "how-to/sklearn.md": "test_sklearn.py",
    "reference/commands.md": "",
}


def name_of(page):
    return str(page.relative_to(ROOT)).removeprefix("docs/")


def runs_here(page):
    return name_of(page) not in ELSEWHERE and page not in CHAPTERS and any(wanted(page, slow=True))


def wanted(page, slow=False):
    """The blocks of a page that run; those that take minutes or data if asked for."""
    for block in pages.blocks(page):
        if block.kind == "python" or block.commands:
            if block.mark == "not run" or (block.mark == "slow" and not slow):
                continue
            if block.mark == "needs" and not (slow and has(block.why)):
                continue
            yield block


def has(name):
    """Whether a named set is there."""
    try:
        return bool(cr.load_data(name))
    except cr.errors.ChainruleError:
        return False


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the files that pages call the reader's own; models are trained for one epoch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TrainingConfig, "plan", lambda self, items: (1, 1))
    matplotlib.use("agg")
    people = [f"{20 + i % 50},{('clerk', 'cook')[i % 2]},{1000 + 37 * i % 900}" for i in range(120)]
    (tmp_path / "people.csv").write_text("\n".join(["age,job,income", *people]))
    (tmp_path / "gaps.csv").write_text("age,job,income\n40,,1200\n,cook,\n")
    (tmp_path / "book.txt").write_text("It was the best of times, it was the worst of times. " * 60)
    return tmp_path


def run(page, slow=False):
    """Every block in order, with the files of its reader; the names that are left, and what was printed."""
    prepare = PREPARED.get(name_of(page), dict)
    names, out = prepare() or {}, []
    for block in wanted(page, slow):
        if block.mark == "raises":
            with pytest.raises(LawViolation) as violation:
                block.run(names)
            assert str(violation.value) == block.text.split("# LawViolation: ")[1].strip()
        else:
            out.append(block.run(names))
    return names, "".join(out)


def transcript(page):
    """What the commands of a page are shown to print, without the commands."""
    shown = [block.text for block in pages.blocks(page) if block.text.startswith("$ chainrule data ")]
    return [line for text in shown for line in text.splitlines() if not line.startswith("$ ")]


# What pages claim beside running, of their names and of what they print.
CLAIMS = {
    "README.md": lambda n, out: (
        n["model"].complete(n["data"].test[:4], n["known"], n=8).shape == (4, 8, 1, 8, 8)
    ),
    "index.md": lambda n, out: Path("runs/digits/model.safetensors").is_file(),
    "how-to/own-model.md": lambda n, out: n["model"].sample(3).shape == (3, 6),
    "how-to/latent.md": lambda n, out: n["model"].reconstruct(n["x"], n=3).shape == (2, 3, 1, 8, 8),
    "learn/autoencoders.md": lambda n, out: "MADE: 1.000000" in out,
    "how-to/sequences.md": lambda n, out: "torch.Size([2, 16])\n" * 20 in out,
    "how-to/predictive.md": lambda n, out: torch.equal(
        n["x"], n["model"].sample(2, generator=torch.Generator().manual_seed(0))
    ),
    "how-to/data.md": lambda n, out: set(transcript(DATA_PAGE)) <= set(out.splitlines()),
    "how-to/scores.md": lambda n, out: n["hidden"].exact.all() and n["scores"].p_value.shape == (447,),
}


@pytest.mark.parametrize("page", list(filter(runs_here, PAGES)), ids=name_of)
def test_every_block_runs(page, folder):
    names, out = run(page)
    assert CLAIMS.get(name_of(page), lambda names, out: True)(names, out)


def needs_more(page):
    return runs_here(page) and len(list(wanted(page, slow=True))) > len(list(wanted(page)))


@pytest.mark.slow
@pytest.mark.parametrize("page", list(filter(needs_more, PAGES)), ids=name_of)
def test_every_block_runs_where_data_and_minutes_are_there(page, folder):
    run(page, slow=True)


@pytest.mark.parametrize("page", CHAPTERS, ids=name_of)
def test_a_chapter_runs_and_prints_what_it_shows(page, folder):
    """In the same words, with other numbers: nets are trained for one epoch. Its pictures are those it draws."""
    shown = [block.printed or "" for block in pages.blocks(page) if block.kind == "python"]
    for printed, expected in zip(pages.run_page(page), shown, strict=True):
        assert re.sub(r"-?[\d.]+(e-?\d+)?", "0", printed) == re.sub(r"-?[\d.]+(e-?\d+)?", "0", expected)
    drawn = {path.name for path in folder.glob("*.png")}
    assert drawn == set(re.findall(r"\]\(\.\./pictures/learn/(.*?)\)", page.read_text()))


@pytest.mark.parametrize("page", CHAPTERS, ids=name_of)
def test_a_chapter_is_a_notebook(page):
    """`python tools/chapters.py` has been run, and the page leads to it."""
    assert page.with_suffix(".ipynb").read_text() == chapters.notebook(page)
    assert page.read_text().splitlines()[2] == chapters.links(page)


SMALL = """import os
from chainrule.training import TrainingConfig

TrainingConfig.plan = lambda self, items: (1, 1)
os.chdir({folder!r})"""


# The code of each is run above; the kernels of the others are started in a job of their own.
IN_KERNELS = [CHAPTERS[0], *(pytest.param(page, marks=pytest.mark.slow) for page in CHAPTERS[1:])]


@pytest.mark.parametrize("page", IN_KERNELS, ids=name_of)
def test_a_notebook_runs_in_a_kernel(page, tmp_path):
    """Each cell, where Jupyter would run it, after nets are told to train for one epoch."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient
    book = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
    install = next(cell for cell in book.cells if cell.cell_type == "code")
    assert install.source == "%pip install --quiet chainrule"
    install.source = SMALL.format(folder=str(tmp_path))
    done = client(book, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs and all(output.output_type != "error" for output in outputs)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_exists(page):
    """Those of all blocks, whether they run or not."""
    for block in pages.blocks(page):
        for arguments in block.commands:
            first = " ".join(arguments[:2]) if arguments[:2] == ["data", "get"] else arguments[0]
            command = COMMANDS.get_command(None, first)
            assert command or name_of(page) == "how-to/extending.md", f"{page.name}:{block.line}: {first}"
            known = (
                {name for p in command.params for name in (*p.opts, *p.secondary_opts)} if command else set()
            )
            for argument in arguments if command else ():
                if re.match(r"--[a-z]", argument):
                    assert argument.split("=")[0] in known | EVERYWHERE, (
                        f"{page.name}:{block.line}: {argument}"
                    )


def test_why_a_block_is_not_run_is_said():
    for page in PAGES:
        marks = re.findall(r"<!-- (?:slow|needs|not run|raises): ?(.*?)-->", page.read_text())
        assert all(mark.strip() for mark in marks), page


def test_the_reference_shows_what_exists():
    """Each object of docs/reference/api, and all public names of the package."""
    shown = [
        name
        for page in (ROOT / "docs" / "reference" / "api").glob("*.md")
        for name in re.findall("^::: (.*)$", page.read_text(), re.M)
    ]
    assert len(shown) > 20
    for name in shown:
        module, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(module), last) or importlib.import_module(name), name
    missing = set(cr.__all__) - {name.split(".")[-1] for name in shown} - {"__version__"}
    assert not missing


def test_pages_made_from_the_code_are_current():
    """`python tools/reference.py` has been run."""
    for path, text in reference.written().items():
        assert path.read_text() == text, path.name


def test_tables_are_those_of_the_records():
    """`python tools/tables.py` has been run: pages show what records say."""
    made = tables.made_tables()
    for page in tables.PAGES:
        text = page.read_text()
        assert tables.filled(text, made) == text, page.name


def test_every_page_is_in_the_navigation():
    import yaml

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    placed = [
        page
        for section in nav
        for entry in section.values()
        for page in ([entry] if isinstance(entry, str) else reference.paths(entry))
    ]
    assert sorted(placed) == sorted(str(page.relative_to(ROOT / "docs")) for page in PAGES[1:])


@pytest.mark.parametrize("tool", sorted(path.stem for path in (ROOT / "tools").glob("*.py")))
def test_every_tool_finds_what_it_imports(tool):
    try:
        importlib.import_module(tool)
    except ModuleNotFoundError as error:
        if (ROOT / "tools" / f"{error.name}.py").is_file() or str(error.name).startswith("chainrule"):
            raise
        pytest.skip(f"needs {error.name}")


def test_what_the_page_on_purification_says_of_clean_images():
    counts = json.loads((ROOT / "benchmarks" / "defence.json").read_text())["attacks"]["none"]["p_histogram"]
    expected = sum(counts) / len(counts)
    statistic = sum((count - expected) ** 2 / expected for count in counts)
    assert f"χ² = {statistic:.1f}" in (ROOT / "docs" / "how-to" / "purify.md").read_text()

"""Write what the documentation has from the code: pages of public names, and docs/llms.txt from the navigation.

`commands`, `options` and `papers` are tables of tools/tables.py.

Usage: python tools/reference.py
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path

import yaml
from typer.main import get_command

from chainrule.cli.app import app
from chainrule.files import write_text
from chainrule.models.registry import MODELS
from chainrule.training import TrainingConfig
from records import ROOT

DOCS = ROOT / "docs"
API = DOCS / "reference" / "api"
# Packages whose pages are their `__all__`, with what they hold. The other pages show whole packages, or are sorted.
LISTED = {
    "data": "Loading, splits, and items for a verb.",
    "domain": "What is modelled: shape, levels, columns, ordering.",
    "training": "Training and run folders; [Train](../../how-to/training.md) has the options.",
    "flows": "Bijections with log-determinants, priors, dequantisation.",
    "engine": "The sampling loop: choice rules, noise, runners.",
    "engine.captured": "Steps on a GPU, captured; see [Accelerators](../../how-to/accelerators.md).",
    "engine.native": "Compiled steps on a CPU; see [The native runner](../../about/native.md).",
    "engine.portable": "Arithmetic that is the same everywhere.",
    "coding": "Lossless compression; see [Compression](../../how-to/compression.md).",
    "importers": "Published models as ours; see [Published models](../../how-to/pretrained.md).",
    "tasks.sharing": "Runs for others; see [Share a model](../../how-to/sharing.md).",
    "reproduce": "Published results and their recipes; see [Results](../../results/index.md).",
    "report": "Pictures, exports, the page of a run.",
}

WITH_PAPERS = {
    "Models": ("models",),
    "Layers, networks and heads": ("layers", "networks", "heads"),
    "Flows": ("flows",),
    "Sampling": ("engine",),
    "What one does with a density": ("tasks", "coding", "sklearn"),
    "Training": ("training",),
}


def api_pages() -> dict[str, str]:
    """The pages of public names, by file name."""
    return {f"{package}.md": api_page(package, about) for package, about in LISTED.items()}


def api_page(package: str, about: str) -> str:
    """Every public name of a package, one below the other."""
    names = importlib.import_module(f"chainrule.{package}").__all__
    shown = "\n\n".join(f"::: chainrule.{package}.{name}" for name in names)
    return f"# API: chainrule.{package}\n\n{about}\n\n{shown}\n"


def commands() -> str:
    """Every command: what it does, its arguments and options, its examples."""
    found = get_command(app).commands
    return "\n\n".join(command_section(name, command) for name, command in found.items())


def command_section(name: str, command: object) -> str:
    """One command."""
    lines = [f"## chainrule {name}", paragraphs(command.help)]
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    rows = [f"| {names_of(p)} | {in_cell(p.help)}{default_of(p)} |" for p in shown]
    if rows:
        lines.append("\n".join(["| | |", "|---|---|", *rows]))
    return "\n\n".join(lines)


def paragraphs(text: str) -> str:
    """The text of a help, with its examples as a block of code."""
    about, *rest = re.split(r"^Examples?:\s*$", cleandoc(text).replace("\b", ""), maxsplit=1, flags=re.M)
    about = re.sub(r"(?<=\S)\n(?=\S)", " ", about)
    if not rest:
        return about.strip()
    examples = re.findall(r"^`(.+?)`", rest[0], re.M)
    return f"{about.strip()}\n\n```text\n" + "\n".join(examples) + "\n```"


def names_of(parameter: object) -> str:
    """An argument by its name in capitals, an option by its names."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def default_of(parameter: object) -> str:
    """The default, where it says something."""
    default = parameter.default
    if default in (None, False, True, "", ()) or callable(default) or parameter.required:
        return ""
    return f" Default: `{getattr(default, 'value', default)}`."


def in_cell(text: str) -> str:
    """Help in a cell of a table: one line, without what Markdown would take for its own."""
    plain = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return plain if plain.endswith((".", ")", "`")) else f"{plain}."


def options() -> str:
    """Every field of `TrainingConfig`: its default, and what it is."""
    text = cleandoc(TrainingConfig.__doc__).partition("Attributes:\n")[2]
    means = {
        name: " ".join(about.split())
        for name, about in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.M)
    }
    rows = [f"| `{f.name}` | `{f.default!r}` | {in_cell(means[f.name])} |" for f in fields(TrainingConfig)]
    return "\n".join(["| option | default | what it is |", "|---|---|---|", *rows])


def papers() -> str:
    """Every paper that a docstring names, beside what does it; of models also their names."""
    sections = []
    for title, packages in WITH_PAPERS.items():
        files = [f for p in packages for f in sorted((ROOT / "src" / "chainrule" / p).rglob("*.py"))]
        rows = [row for file in files for row in cited(file)]
        sections.append("\n".join([f"## {title}\n", "| what | paper |", "|---|---|", *rows]))
    return "\n\n".join(sections)


def cited(file: Path) -> Iterator[str]:
    """A row for each public class and function of a file whose docstring has references."""
    module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        found = re.search(r"^References:\n((?: {4}.*\n?|\n)+)", ast.get_docstring(node) or "", re.M)
        if found:
            names = [name for name, entry in MODELS.items() if entry.target == f"{module}:{node.name}"]
            what = ", ".join(f"`{name}`" for name in names or [node.name])
            text = re.sub(r"https://[^\s,;]*[^\s,;.)]", r"[link](\g<0>)", in_cell(found[1]))
            yield f"| {what} | {text} |"


def llms() -> str:
    """The pages with their first sentences, for programs that read."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    lines = [f"# {site['site_name']}\n\n> {site['site_description']}"]
    for section in site["nav"]:
        ((title, pages),) = section.items()
        entries = [pages] if isinstance(pages, str) else list(paths(pages))
        lines.append(f"## {title}\n\n" + "\n".join(entry(page) for page in entries))
    return "\n\n".join(lines) + "\n"


def paths(nav: list) -> Iterator[str]:
    """The files of a navigation, in order."""
    for item in nav:
        yield from [item] if isinstance(item, str) else item.values()


def entry(page: str) -> str:
    """Title, link and first sentence of a page, which may be that of a file of the root."""
    text = re.sub(r'--8<-- "(.*?)"', lambda file: (ROOT / file[1]).read_text(), (DOCS / page).read_text())
    title = re.search(r"^# (.+)$", text, re.M)[1]
    prose = re.sub(r"```.*?```|<!--.*?-->|<[^>]+>", "", text.partition(title)[2], flags=re.S)
    plain = (" ".join(p.split()) for p in prose.split("\n\n"))
    first = next((p for p in plain if p and p[0] not in "#|!:-`{"), title)
    sentence = re.split(r"(?<=[.:]) ", re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", first))[0].rstrip(":")
    return f"- [{title}]({page.removesuffix('.md')}.html): {sentence}"


def written() -> dict:
    """Every file of this tool, with its text."""
    return {API / name: text for name, text in api_pages().items()} | {DOCS / "llms.txt": llms()}


if __name__ == "__main__":
    for path, text in written().items():
        write_text(path, text)

"""Run the chapters of docs/learn: write what they print and draw into the pages, and each as a notebook.

Usage: python tools/chapters.py [NAME …]
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import matplotlib

from chainrule.files import write_text
from pages import run_page
from records import ROOT

LEARN = ROOT / "docs" / "learn"
PICTURES = ROOT / "docs" / "pictures" / "learn"
REPOSITORY = "chainrule/chainrule"  # RELEASE.md says when it gets its real name
COLAB = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/docs/learn"
PYTHON = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n.*?^```$)?", re.M | re.S)


def chapters() -> list[Path]:
    """The pages that are notebooks too: those whose title has a number, in its order."""
    found = {page: re.match(r"# (\d+)\. ", page.read_text()) for page in LEARN.glob("*.md")}
    return sorted((page for page, title in found.items() if title), key=lambda page: int(found[page][1]))


def printed(text: str, outputs: list[str]) -> str:
    """The page with what its blocks print, each right after its block."""
    rest = iter(outputs)

    def shown(match: re.Match) -> str:
        output = next(rest)
        return f"```python\n{match[1]}```" + (f"\n\n```text\n{output}```" if output else "")

    return PYTHON.sub(shown, text)


def links(page: Path) -> str:
    """The line below the title."""
    name = f"{page.stem}.ipynb"
    return f"This chapter as a notebook: [{name}]({name}), or [in Colab]({COLAB}/{name})."


def notebook(page: Path) -> str:
    """The page as a notebook without outputs, whose first cells open it in Colab and install the library."""
    text = page.read_text().replace(links(page), "")
    badge = f"[Open in Colab]({COLAB}/{page.stem}.ipynb)"
    cells = [cell("markdown", badge), cell("code", "%pip install --quiet chainrule")]
    start = 0
    for match in PYTHON.finditer(text):
        cells += [cell("markdown", text[start : match.start()]), cell("code", match[1])]
        start = match.end()
    cells.append(cell("markdown", text[start:]))
    shown = [{**c, "id": f"{page.stem}-{i}"} for i, c in enumerate(cells) if "".join(c["source"]).strip()]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return (
        json.dumps({"cells": shown, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
    )


def cell(kind: str, text: str) -> dict:
    """A cell of a notebook; prose without the tags that fold it, its pictures left to the code."""
    own: dict = {"execution_count": None, "outputs": []} if kind == "code" else {}
    if kind == "markdown":
        text = re.sub(r"</?details[^>]*>|</?summary>", "", re.sub(r"^!\[.*?\]\(.*?\)$", "", text, flags=re.M))
    return {"cell_type": kind, "metadata": {}, "source": text.strip().splitlines(keepends=True), **own}


def write(page: Path) -> None:
    """Run a chapter; write its page, pictures and notebook."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        outputs = run_page(page)
        PICTURES.mkdir(parents=True, exist_ok=True)
        for picture in Path(folder).glob("*.png"):
            (PICTURES / picture.name).write_bytes(picture.read_bytes())
        os.chdir(ROOT)
    write_text(page, printed(page.read_text(), outputs))
    write_text(page.with_suffix(".ipynb"), notebook(page))


if __name__ == "__main__":
    matplotlib.use("agg")
    for chapter in chapters():
        if not sys.argv[1:] or chapter.stem in sys.argv[1:]:
            write(chapter)

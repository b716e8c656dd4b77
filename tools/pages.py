"""A page of the documentation as a list of blocks, which run in order, in one namespace and one folder.

A comment before a block says what it needs, or why it is not run:

    <!-- slow: 3 minutes -->  <!-- needs: mnist -->  <!-- not run: your own files -->  <!-- raises: what it shows -->
"""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FENCE = re.compile(
    r"(?:^<!-- (?P<mark>slow|needs|not run|raises): (?P<why>.*?) -->\n+)?"
    r"^```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^```$(?:\n\n```text\n(?P<printed>.*?)^```$)?",
    re.M | re.S,
)
COMMAND = re.compile(r"^(?:\$ )?chainrule (.*(?:\\\n.*)*)$", re.M)


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: Path
    line: int
    kind: str  # "python", "sh", "text", "", …
    text: str
    mark: str  # "", "slow", "needs", "not run", "raises"
    why: str
    printed: str | None  # the ```text block right after it

    @property
    def commands(self) -> list[list[str]]:
        """The arguments of each `chainrule …` line, without what the shell does with them."""
        if self.kind == "python":
            return []
        lines = [line.replace("\\\n", " ") for line in COMMAND.findall(self.text)]
        return [shlex.split(re.split(r" [|>] ", line)[0], comments=True) for line in lines]

    def run(self, names: dict[str, Any]) -> str:
        """Execute it in the current folder; what it prints."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            if self.kind == "python":
                code = "\n" * self.line + self.text
                exec(compile(code, str(self.page), "exec"), names)
            for arguments in self.commands:
                call(arguments)
        return out.getvalue()


def call(arguments: list[str]) -> None:
    """Run a command in this process."""
    from chainrule.cli import main

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(arguments)
    if status:
        raise RuntimeError(f"chainrule {shlex.join(arguments)}\n{said.getvalue()}")


def blocks(page: Path) -> list[Block]:
    """Those of a page, in order; what a block prints belongs to it."""
    text = page.read_text()
    return [
        Block(
            page,
            text.count("\n", 0, match.start("text")),
            match["kind"],
            match["text"],
            match["mark"] or "",
            match["why"] or "",
            match["printed"],
        )
        for match in FENCE.finditer(text)
    ]


def run_page(page: Path) -> list[str]:
    """Run the Python of a chapter in the current folder; what each block prints."""
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    return [block.run(names) for block in blocks(page) if block.kind == "python"]

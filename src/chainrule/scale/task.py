"""What engines are given to do with each part, and what they hand back."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.scale.parts import Part


@dataclass(frozen=True)
class Task:
    """A verb of a run, for one part after another.

    Attributes:
        run: its folder.
        verb: of `chainrule.scale.work.VERBS`.
        options: of the verb.
        out: the folder of the results.
        gpus: of each worker.
    """

    run: str
    verb: str
    options: dict[str, Any]
    out: str
    gpus: float = 0

    def __call__(self, part: Part) -> dict[str, Any]:
        """Do it. An error is handed back: engines would try again in vain, and print it in their own languages.

        Returns:
            The part's "number" and "rows", the "process" that did it, and an "error", empty if there is none.
        """
        from chainrule.scale.work import work  # loads torch, which who only hands out parts can do without

        error = ""
        try:
            work(self.run, self.verb, self.options, part, self.out)
        except (ChainruleError, OSError) as found:
            error = f"{part.where}: {found}"
        except Exception as found:
            error = f"{part.where}: unexpected {type(found).__name__}: {found}"
        return {"number": part.number, "rows": part.rows, "process": os.getpid(), "error": error}

    def place(self, part: Part) -> Path:
        """The file of a part's result."""
        return Path(self.out) / part.name(self.verb)


def brief(said: str) -> str:
    """The last line of what an engine says, which is the reason; above it there may be pages of its own calls."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def unfinished(task: Task, parts: Iterable[Part]) -> list[Part]:
    """Those that have no result."""
    return [part for part in parts if not task.place(part).exists()]

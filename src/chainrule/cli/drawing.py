"""What `sample`, `interpolate` and `continue` do alike: open the run, and write or print what was drawn."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.cli.drawn_rows import check_ids, export_rows, records_of, text_of
from chainrule.cli.opening import check_features, check_label, open_run
from chainrule.cli.options.drawing import DrawingOptions
from chainrule.cli.output import print_json, put, say, span
from chainrule.cli.verb import named
from chainrule.report.text import as_text, text_as_drawn
from chainrule.tasks import Drawn, Parts
from chainrule.training import Run
from chainrule.where import beside


class Drawing:
    """A run that is drawn from, and where the items go.

    Args:
        options: as typed.
        picture: the name of the file in the run folder that images go to by default.
        features: whether recordings are named, for a model that is conditioned on their features.

    Raises:
        ChainruleError: if the items cannot be written to the output, or the class is none of the model's.
    """

    def __init__(self, options: DrawingOptions, picture: str, features: bool = False) -> None:
        from chainrule.report.animation import ANIMATED, sites_of
        from chainrule.report.export import check_output
        from chainrule.report.midi import check_tempo

        self.options = options
        self.run: Run = open_run(options.run, options.device)
        domain, out = self.run.model.domain, options.out
        if out is None and domain.layout == "image" and domain.discrete and not options.json:
            out = beside(options.run) / picture
        if out is not None:
            out = named(out, self.run)
            check_output(out, domain, self.run.rate)
        self.out: Path | None = out
        check_ids(self.run, options, out)
        self.site = None if out is None or out.suffix.lower() not in ANIMATED else sites_of(self.run, out)
        self.music = out is not None and out.suffix.lower() == ".mid"
        if self.music:
            check_tempo(options.tempo)
        self.cond: Any = check_label(self.run, options.label)
        check_features(self.run, features)

    @cached_property
    def how(self) -> dict[str, Any]:
        """Arguments of all verbs that draw."""
        asked = self.options
        choice = {"temperature": asked.temperature, "top_k": asked.top_k, "top_p": asked.top_p}
        return {"generator": torch.Generator().manual_seed(asked.seed), **choice}

    def count(self, default: int) -> int:
        """Number of samples, or of rows."""
        return self.options.n or (1 if self.music else default)

    @property
    def live(self) -> bool:
        """Whether one text is printed as it is drawn."""
        one = self.options.n == 1 and self.run.writing is not None
        return one and self.out is None and not self.options.json

    def finish(self, drawn: Tensor | Drawn | Parts, n: int, steps: int | None = None, **about: Any) -> None:
        """Write the items to their file, or print them.

        Args:
            drawn: the items (N, *event_shape), or sequences or items that are yet to be drawn.
            n: number of samples, or of rows.
            steps: items of a row.
            about: further entries of the JSON.
        """
        if isinstance(drawn, Drawn) and self.live:
            self._print_live(drawn)
            return
        domain, known, files = self.run.model.domain, 0, list[Path]()
        if isinstance(drawn, Drawn):
            domain, known = drawn.domain, drawn.known
            files = self._stream(drawn)
            drawn = torch.zeros(0) if files else drawn.whole()
        elif isinstance(drawn, Parts) and (self.out is None or self.options.ids is not None):
            drawn = drawn.whole()
        if self.out is not None and not files:
            files = self._export(drawn, domain, known, self.out, steps)
        if self.options.json:
            along: dict[str, Any] = {} if steps is None else {"steps": steps}
            along |= {"files": files} if len(files) > 1 else {}
            items = None if self.out is not None else self._plain(drawn, domain)
            print_json({"n": n, **along, **about, "file": self.out, "items": items})
        elif self.out is not None:
            say(f"{n} samples{'' if steps is None else f', {steps} steps each'}: {span(files)}")
        else:
            self._print(drawn, domain)

    def _stream(self, drawn: Drawn) -> list[Path]:
        """Sounds, written as they are drawn; no files if the output is none."""
        from chainrule.data.readers.sound import WRITTEN as SOUNDS
        from chainrule.report.export import export_sounds

        if self.out is None or self.out.suffix.lower() not in SOUNDS or self.run.rate is None:
            return []
        return export_sounds(drawn.parts, drawn.n, drawn.domain, self.out, self.run.rate)

    def _export(self, drawn: Any, domain: Any, known: int, out: Path, steps: int | None) -> list[Path]:
        from chainrule.report.export import export_parts

        if self.options.ids is not None:
            return export_rows(self.run, drawn, self.options, out)
        items = drawn if isinstance(drawn, Parts) else Parts(len(drawn), iter([drawn]))
        about: Any = {"writing": self.run.writing, "rate": self.run.rate, "columns": steps}
        about |= {"safe_csv": self.options.safe_csv, "tempo": self.options.tempo}
        longer = self.site is not None and domain != self.run.model.domain  # continued, step after step
        site = torch.arange(domain.steps).expand(domain.event_shape) if longer else self.site
        if site is not None and known:
            site = site.index_fill(0, torch.arange(known), -1)
        about |= {"resolution": self.run.reading.resolution or 1, "site": site}
        return export_parts(items.parts, items.n, domain, out, **about)

    def _plain(self, x: Any, domain: Any) -> list:
        """Items for JSON: records of a table, texts, or lists of numbers."""
        if domain.columns:
            return records_of(self.run, x, self.options)
        if self.run.writing is None:
            return x.tolist()
        return [as_text(item[None], self.run.writing, domain)[:-1] for item in x]

    def _print(self, x: Any, domain: Any) -> None:
        if domain.columns:
            put(text_of(self.run, x, self.options), end="")
        else:
            put(as_text(x, self.run.writing, domain), end="")

    def _print_live(self, drawn: Drawn) -> None:
        for text in text_as_drawn(drawn.parts, self.run.writing, drawn.domain):
            put(text, end="")
        put("")

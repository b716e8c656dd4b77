"""What `bench` measures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.options.there import runs_there

Nets = Annotated[
    list[str] | None,
    typer.Option(help="Net, for sampling and training, or peer, for tables; repeatable. Default: all."),
]
Runs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RUN",
        callback=runs_there,
        help="Trained model, for predictive, rounding, compression, anomaly and defence; repeatable.",
    ),
]
Drafts = Annotated[
    list[str] | None,
    typer.Option(metavar="RUN", callback=runs_there, help="Draft of each --run, for predictive; repeatable."),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="File for models of bytes, for compression; repeatable."),
]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="TABLE", help="Table, for tables; repeatable. Default: all."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="Task, for tables: synthesis, imputation-mcar, -mar or -mnar, anomaly-cells or -class; repeatable. "
        "Default: all.",
    ),
]
Peers = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Environments of the peers, for tables. Default: the one that runs."),
]
Records = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Records of each table, task and peer. Default: bench-tables."),
]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Batch size. Default: reversible 8, predictive and image-training 16, nade-training 100, else that of "
        "each net. Number of items for rounding (64), anomaly (2000) and defence (200), coded by "
        "compression (500); most rows for tables (2000).",
    ),
]
Repeats = Annotated[int, typer.Option(min=1, help="Number of timed runs; fewer if they are long.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Number of threads. Default: torch's; for sampling one, then all cores."),
]
Device = Annotated[str | None, typer.Option(help="Device, for sampling: cuda, … Default: cpu.")]


@dataclass(frozen=True)
class BenchOptions:
    """The choices of a case."""

    model: Nets = None
    run: Runs = None
    draft: Drafts = None
    file: Files = None
    table: Tables = None
    task: Tasks = None
    peers: Peers = None
    records: Records = None
    batch: Batch = None
    repeats: Repeats = 5
    threads: Threads = None
    device: Device = None

    def given(self) -> dict[str, Any]:
        """As the arguments of `run_case`."""
        return {
            "models": self.model,
            "runs": self.run,
            "drafts": self.draft,
            "files": self.file,
            "tables": self.table,
            "tasks": self.task,
            "peers": self.peers,
            "records": self.records,
            "batch": self.batch,
            "repeats": self.repeats,
            "threads": self.threads,
            "device": self.device,
        }

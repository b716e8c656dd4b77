"""A run or data that are not there: refused before anything large is imported."""

from __future__ import annotations

from chainrule.files import HUB, check_there, is_stream
from chainrule.where import check_there as check_run


def run_there(run: str | None) -> str | None:
    """What stands for a run.

    Raises:
        RunError: if there is no such run.
    """
    if run is not None:
        check_run(run)
    return run


def runs_there(runs: list[str] | None) -> list[str] | None:
    """What stands for several runs.

    Raises:
        RunError: if there is no such run.
    """
    for run in runs or ():
        check_run(run)
    return runs


def source_there(source: str | None) -> str | None:
    """The source.

    Raises:
        DataError: if it can only be a file, and is not there.
    """
    if source is not None and not source.startswith(HUB) and not is_stream(source):
        check_there(source)
    return source


def sources_there(sources: list[str] | None) -> list[str] | None:
    """Several sources.

    Raises:
        DataError: if one can only be a file, and is not there.
    """
    for source in sources or ():
        source_there(source)
    return sources

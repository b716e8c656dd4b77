"""Ray Data: actors that hold the model, and are given a part at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chainrule.errors import ChainruleError, optional_import
from chainrule.scale.aside import stderr_aside
from chainrule.scale.parts import Part
from chainrule.scale.task import Task, brief

STORE = 1 << 27  # bytes of the object store of a local cluster: what goes through it is names of parts
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what it says of killed actors would be among the results
    "RAY_worker_niceness": "0",  # 15 by default: beside other work on the machine, its workers would hardly run
}


def on_ray(task: Task, parts: Sequence[Part], workers: int) -> Iterator[dict[str, Any]]:
    """Ray starts an actor again that was killed, and repeats what it had."""
    for name, value in SETTINGS.items():  # read when Ray is imported
        os.environ.setdefault(name, value)
    engine, data = optional_import("ray", "ray"), optional_import("ray.data", "ray")
    with _cluster(engine, workers, task.gpus):
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        rows = data.from_items([part.to_dict() for part in parts], override_num_blocks=len(parts))
        actors = data.ActorPoolStrategy(size=min(workers, len(parts)))
        done = rows.map_batches(
            _Worker, batch_size=1, batch_format="pyarrow", compute=actors, fn_constructor_args=(task,),
            num_cpus=1, num_gpus=task.gpus or None,
        )  # fmt: skip
        try:
            yield from done.iter_rows()
        except engine.exceptions.RayError as error:
            raise ChainruleError(f"engine ray: {brief(str(error))}; run again to go on") from error


@contextmanager
def _cluster(engine: Any, workers: int, gpus: float) -> Iterator[None]:
    """The cluster that there is, or a small one on this machine, which ends afterwards."""
    if engine.is_initialized():
        yield
        return
    quiet: Any = {"log_to_driver": False, "logging_level": logging.ERROR}
    with stderr_aside():
        try:
            engine.init("auto", **quiet)
        except ConnectionError:
            size: Any = {"num_cpus": workers, "object_store_memory": STORE, "include_dashboard": False}
            engine.init(**size, **quiet)
            _check_gpus(engine, gpus * workers)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        engine.shutdown()


def _check_gpus(engine: Any, wanted: float) -> None:
    """Refuse what this machine does not have: Ray would wait for more, as clusters that grow may have it."""
    if (there := engine.cluster_resources().get("GPU", 0)) < wanted:
        engine.shutdown()
        raise ChainruleError(f"gpus: expected {wanted:g} for all workers, Ray finds {there:g}")


class _Worker:
    """An actor."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __call__(self, batch: Any) -> Any:
        """A table of parts → a table of what was done."""
        import pyarrow as pa

        return pa.Table.from_pylist([self._task(Part(**row)) for row in batch.to_pylist()])

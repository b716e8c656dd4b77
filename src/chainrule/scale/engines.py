"""Who works on the parts: processes here, Ray Data, or Spark. Each may repeat a part; a part is written once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.scale.parts import Part
from chainrule.scale.work import work

TRIES = 3  # times that processes may die


def local(
    folder: str, verb: str, options: dict, parts: Sequence[Part], out: str, workers: int
) -> Iterator[dict[str, Any]]:
    """In this process, or in several; what a killed one had is done again."""
    if workers == 1:
        for part in parts:
            yield work(folder, verb, options, part, out)
        return
    left, tries = list(parts), 0
    while left:
        try:
            with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                asked = {pool.submit(work, folder, verb, options, part, out): part for part in left}
                for future in as_completed(asked):
                    result = future.result()
                    left.remove(asked[future])
                    yield result
        except BrokenProcessPool as error:
            if (tries := tries + 1) == TRIES:
                raise ChainruleError(
                    f"workers died {TRIES} times, {len(left)} parts are left; run again"
                ) from error


def ray(
    folder: str, verb: str, options: dict, parts: Sequence[Part], out: str, workers: int
) -> Iterator[dict[str, Any]]:
    """Ray Data: actors that hold the model, a part at a time; Ray restarts them and repeats what they had."""
    try:
        import ray as engine
        import ray.data
    except ModuleNotFoundError as error:
        raise ChainruleError("engine ray: needs Ray Data: pip install 'chainrule[ray]'") from error

    own = not engine.is_initialized()
    if own:
        engine.init(log_to_driver=False, include_dashboard=False)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        data = ray.data.from_items([part.to_dict() for part in parts], override_num_blocks=len(parts))
        done = data.map_batches(
            _Worker, batch_size=1, batch_format="pyarrow", compute=ray.data.ActorPoolStrategy(size=workers),
            fn_constructor_args=(folder, verb, options, out), num_cpus=1,
        )  # fmt: skip
        yield from done.iter_rows()
    finally:
        if own:
            engine.shutdown()


class _Worker:
    """An actor of Ray, and a task of Spark."""

    def __init__(self, folder: str, verb: str, options: dict, out: str) -> None:
        self.folder, self.verb, self.options, self.out = folder, verb, options, out

    def __call__(self, batch: Any) -> Any:
        """A table of parts → of what was done."""
        import pyarrow as pa

        return pa.Table.from_pylist(
            [work(self.folder, self.verb, self.options, Part(**row), self.out) for row in batch.to_pylist()]
        )


def spark(
    folder: str, verb: str, options: dict, parts: Sequence[Part], out: str, workers: int
) -> Iterator[dict[str, Any]]:
    """Spark's `mapInArrow`, a task for each part; Spark repeats those that fail."""
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise ChainruleError(
            "engine spark: needs pyspark and Java: pip install 'chainrule[spark]'"
        ) from error

    session = (
        SparkSession.getActiveSession() or SparkSession.builder.master(f"local[{workers}]").getOrCreate()
    )
    worker = _Worker(folder, verb, options, out)

    def batches(given: Any) -> Iterator[Any]:
        for batch in given:
            yield from worker(batch).to_batches()

    rows = [part.to_dict() for part in parts]
    asked = session.createDataFrame(rows, "number long, path string, group long, first long, rows long")
    done = asked.repartition(len(parts), "number").mapInArrow(batches, "number long, rows long, process long")
    for row in done.toLocalIterator():
        yield row.asDict()


ENGINES = {"local": local, "ray": ray, "spark": spark}

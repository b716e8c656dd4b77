"""Who works on the parts: processes here, Ray Data, or Spark. Each may repeat a part; a part is written once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chainrule.scale.local import on_processes
from chainrule.scale.on_ray import on_ray
from chainrule.scale.on_spark import on_spark
from chainrule.scale.parts import Part
from chainrule.scale.task import Task

Engine = Callable[[Task, Sequence[Part], int], Iterator[dict[str, Any]]]

ENGINES: dict[str, Engine] = {"local": on_processes, "ray": on_ray, "spark": on_spark}

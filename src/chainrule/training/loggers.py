"""Lightning's loggers by name, each beside the run's own files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError, nearest

# Name → the class, and the package that it needs.
LOGGERS = {
    "tensorboard": ("TensorBoardLogger", "tensorboard"),
    "csv": ("CSVLogger", ""),
    "wandb": ("WandbLogger", "wandb"),
    "mlflow": ("MLFlowLogger", "mlflow"),
}


def check_loggers(given: Any) -> tuple[Any, ...]:
    """A name, a logger or several → several.

    Raises:
        ChainruleError: on an unknown name.
    """
    several = given if isinstance(given, list | tuple) else [] if given is None else [given]
    for one in several:
        if isinstance(one, str) and one not in LOGGERS:
            raise ChainruleError(f"logger: unknown {one!r}; {nearest(one, LOGGERS)}")
    return tuple(several)


def open_loggers(given: Iterable[Any], folder: Path) -> list[Any]:
    """The loggers of a run in a folder.

    Raises:
        ChainruleError: if the package of one is not installed.
    """
    import lightning.pytorch.loggers as known

    opened = []
    for one in given:
        if not isinstance(one, str):
            opened.append(one)
            continue
        kind, package = LOGGERS[one]
        place = {"experiment_name": folder.name} if one == "mlflow" else {"save_dir": folder, "name": "logs"}
        try:
            opened.append(getattr(known, kind)(**place))
        except ModuleNotFoundError as error:
            raise ChainruleError(f"logger {one}: needs {package}: pip install {package}") from error
    return opened

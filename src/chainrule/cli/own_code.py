"""A user's own code, imported because the command line names it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from chainrule.errors import ChainruleError

OPTION = "--import"


def take_imports(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments without `--import MODULE`, which may stand anywhere, and these modules.

    Raises:
        ChainruleError: if no module is named.
    """
    rest, modules = [], []
    left = iter(arguments)
    for argument in left:
        option, equals, value = argument.partition("=")
        if option != OPTION:
            rest.append(argument)
            continue
        module = value if equals else next(left, "")
        if not module:
            raise ChainruleError(f"{OPTION}: expected a module, such as package.module or ./my_model.py")
        modules.append(module)
    return rest, modules


def import_code(place: str) -> str:
    """Import a module, and give its name.

    Args:
        place: "package.module", which may lie in the working folder, or the path of a file.

    Raises:
        ChainruleError: if there is none, it raises an error, or another module has the name of the file.
    """
    path = Path(place)
    folder, name = (path.parent, path.stem) if path.suffix == ".py" else (Path(), place)
    if path.suffix == ".py" and not path.is_file():
        raise ChainruleError(f"{place}: no such file")
    if str(folder.resolve()) not in sys.path:
        sys.path.append(str(folder.resolve()))  # last, so that no file there takes the place of a library
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ChainruleError(f"{place}: cannot be imported ({type(error).__name__}: {error})") from error
    if path.suffix == ".py" and Path(module.__file__ or "").resolve() != path.resolve():
        raise ChainruleError(f"{place}: another module is called {name} ({module.__file__}); rename the file")
    return name


def model_name(model: str) -> str:
    """The name of a model on the command line: "package.module:Class" and "./file.py:Class" are imported first.

    Raises:
        ChainruleError: if that fails.
    """
    place, colon, attribute = model.rpartition(":")
    return f"{import_code(place)}:{attribute}" if colon else model

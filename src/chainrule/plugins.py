"""What other installed packages add: their entry points, imported only when they are used.

Groups are `chainrule.models`, `chainrule.readers`, `chainrule.writers` and
`chainrule.commands`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def entries(kind: Literal["models", "readers", "writers", "commands"]) -> dict[str, EntryPoint]:
    """The entry points of a kind by name; nothing is imported. Of two with one name the first on the path counts."""
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"chainrule.{kind}"):
        found.setdefault(entry.name, entry)
    return found


def load_entry(entry: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        ChainruleError: if it cannot be imported, naming the package that declares it.
    """
    try:
        return entry.load()
    except Exception as error:
        package = entry.dist.name if entry.dist else "an unknown package"
        raise ChainruleError(
            f"{entry.group}: {entry.name} = {entry.value} of {package} cannot be imported "
            f"({type(error).__name__}: {error}); repair or uninstall {package}"
        ) from error

"""Published results, trained and measured again."""

from chainrule.reproduce.reproduce import list_tables, recipes_of, reproduce

__all__ = [
    "list_tables",
    "recipes_of",
    "reproduce",
]

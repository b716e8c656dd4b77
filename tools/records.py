"""The records in results/, as tables and charts show them."""

import json
from pathlib import Path

from chainrule.reproduce.published import compared

ROOT = Path(__file__).parent.parent


def tables() -> list[str]:
    """The tables there are records of."""
    return sorted({path.parent.name for path in (ROOT / "results").glob("*/*.json")})


def records_of(table: str) -> list[dict]:
    """The records of a table by data set, best validation last."""
    found = [json.loads(path.read_text()) for path in sorted((ROOT / "results" / table).glob("*.json"))]
    return sorted(found, key=lambda record: (record["data"], -compared(record["valid"])[0]))


def reproduced(table: str) -> list[dict]:
    """Those of them that are more than a trial on a few items."""
    return [record for record in records_of(table) if record.get("reproduced", True)]


def label_of(record: dict) -> str:
    """The recipe's name without that of the data set: "nltcs-made" is made."""
    name, data = record["name"], record["data"]
    return name.removeprefix(f"{data}-").removesuffix(f"-{data}") or name


def sign(score: dict) -> str:
    """What stands before a bound."""
    return "≤ " if score.get("bound") else ""

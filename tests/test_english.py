"""Texts that users meet are in the field's words: docstrings, comments, messages and pages lack these phrases."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted((ROOT / "src").rglob("*.py"))

# Pattern → what to write instead. Words are refused in every sense, so that nobody has to decide which one is meant.
FORBIDDEN = {
    r"\btold\b": "conditioned on, given, called with",
    r"\bbehind\b": "after; beyond a length",
    r"\btells\b": "shows, gives, identifies",
    r"\bby heart\b": "memorised, overfit",
    r"\bso many\b": "this number of, or its name",
    r"\b(in|of|by|into) as many\b": "equally many, one per …",
    r"\bfrom the first on\b": "the first n",
    r"\bstrang(e|er|est|ely|ers)\b": "anomalous, unlikely, untrusted",
    r"\bguess(es|ing) ahead\b|\bguessing\b": "forecast, predictive sampling, chance",
    r"\bseed 4\b|\bthe post('s)?\b": "author and year",
    r"\blow(est)? byte first\b|\blow byte\b": "little-endian",
    r"\bcannot be had\b|\bare got by\b": "cannot be downloaded",
    r"(?<!here )\b(is|are) no (number|text|image|picture|sound|recording|domain|file|sequence|vector|UTF)s?\b": "not",
    r"\A(Of|That of|Those of) [a-z]+|(?m:^ *(Of|That of|Those of) [a-zA-Z ,]+\.$)": "a noun: The loss of …",
}


def texts(path):
    """The texts of a file with their lines: strings and comments of a source; a page without code and addresses."""
    source = path.read_text()
    if path.suffix == ".md":
        prose = re.sub(
            r"```.*?```|`[^`\n]*`|\]\([^)]*\)", lambda m: "\n" * m[0].count("\n"), source, flags=re.DOTALL
        )
        yield from enumerate(prose.splitlines(), start=1)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def faults(path):
    """Each forbidden phrase of a file: where it is, and what to write instead."""
    for line, text in texts(path):
        for pattern, instead in FORBIDDEN.items():
            if found := re.search(pattern, text):
                yield f"{path.name}:{line}: {found[0].strip()!r}, write {instead!r}"


@pytest.mark.parametrize("paths", [PAGES, SOURCES], ids=["pages", "sources"])
def test_plain_english(paths):
    assert "\n".join(fault for path in paths for fault in faults(path)) == ""


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", 'def f():\n    """Of each row."""\n', ["a.py:2: 'Of each'"]),
        ("a.py", "x = 1  # what it was told\n", ["a.py:1: 'told'"]),
        ("a.py", 'raise ValueError(f"{x}: stands behind {y}")\n', ["a.py:1: 'behind'"]),
        ("a.md", "one\nso many [words](behind.md) and `told`\n", ["a.md:2: 'so many'"]),
        ("a.md", "```\ntold\n```\nof those told\n", ["a.md:4: 'told'"]),
        ("a.md", "The loss of each row, retold.\n", []),
    ],
)
def test_phrases_are_found_where_they_stand(name, text, found, tmp_path):
    (tmp_path / name).write_text(text)
    assert [fault.split(", write")[0] for fault in faults(tmp_path / name)] == found

"""Check the built site: nothing is fetched from another host, every public name has a place, pictures are there.

Usage: python tools/site_check.py [FOLDER]
"""

import importlib
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from records import ROOT
from reference import LISTED

FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
NOT_FETCHED = ("canonical", "prev", "next", "alternate")  # relations of links
PACKAGES = ("", *LISTED, "heads", "layers", "models", "networks", "scale", "sklearn", "tasks", "testing")


class Page(HTMLParser):
    """What a page fetches, and the places that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        own = dict(attrs)
        if own.get("id"):
            self.places.add(own["id"])
        address = own.get(FETCHED.get(tag, ""))
        if address and not (tag == "link" and own.get("rel") in NOT_FETCHED):
            self.fetched.append(address)


def faults(site: Path) -> Iterator[str]:
    """Each thing that is wrong, in a line."""
    places: set[str] = set()
    for path in sorted(site.rglob("*.html")):
        page = Page(path.read_text())
        places |= page.places
        for address in page.fetched:
            if re.match(r"(https?:)?//", address):
                yield f"{path.relative_to(site)}: fetches {address}"
            elif address.startswith("data:") or path.name == "404.html":
                continue
            elif not (path.parent / re.split("[?#]", address)[0]).exists():
                yield f"{path.relative_to(site)}: {address} is not there"
    for path in sorted(site.rglob("*.css")):
        for address in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text()):
            yield f"{path.relative_to(site)}: fetches {address}"
    for name in sorted(public_names()):
        if not any(place == name or place.endswith(f".{name}") for place in places):
            yield f"the reference lacks {name}"


def public_names() -> set[str]:
    """All of `__all__` of the public packages, without modules and the version."""
    found = set()
    for package in PACKAGES:
        module = importlib.import_module(f"chainrule.{package}".rstrip("."))
        found |= {name for name in module.__all__ if not hasattr(getattr(module, name), "__path__")}
    return found - {"__version__", "errors"}


if __name__ == "__main__":
    wrong = list(faults(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "site"))
    print("\n".join(wrong) or "the site is whole")
    sys.exit(bool(wrong))

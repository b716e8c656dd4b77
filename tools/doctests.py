"""A Markdown extension: lines from >>> on are code, and not quotations of quotations of quotations."""

from xml.etree.ElementTree import Element, SubElement

from markdown import Extension, Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.util import AtomicString


class Doctest(BlockProcessor):
    """A paragraph of an example of a docstring."""

    def test(self, parent: Element, block: str) -> bool:
        """See markdown."""
        return block.startswith(">>> ")

    def run(self, parent: Element, blocks: list[str]) -> None:
        """See markdown."""
        SubElement(SubElement(parent, "pre"), "code").text = AtomicString(blocks.pop(0))


class Doctests(Extension):
    """Before quotations."""

    def extendMarkdown(self, md: Markdown) -> None:
        """See markdown."""
        md.parser.blockprocessors.register(Doctest(md.parser), "doctest", 111)


def makeExtension(**options: object) -> Doctests:
    """The name by which markdown finds it."""
    return Doctests(**options)

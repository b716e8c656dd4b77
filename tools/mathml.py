"""A Markdown extension: equations between dollar signs as MathML, which browsers draw without a script.

$x$ stands in a line; $$x$$ is a paragraph. The same text is an equation on GitHub and in a notebook.
"""

import re
from xml.etree.ElementTree import Element, SubElement

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.inlinepatterns import InlineProcessor


class Line(InlineProcessor):
    """$x$ within a line."""

    def handleMatch(self, m: re.Match, data: str) -> tuple[str, int, int]:
        """See markdown."""
        return self.md.htmlStash.store(convert(m[1])), m.start(0), m.end(0)


class Paragraph(BlockProcessor):
    """$$x$$ as a block."""

    def test(self, parent: Element, block: str) -> bool:
        """See markdown."""
        return block.startswith("$$") and block.rstrip().endswith("$$")

    def run(self, parent: Element, blocks: list[str]) -> None:
        """See markdown."""
        equation = convert(blocks.pop(0).strip().strip("$"), display="block")
        SubElement(parent, "div", {"class": "equation"}).text = self.parser.md.htmlStash.store(equation)


class MathML(Extension):
    """Both, after code spans and before all else in a line."""

    def extendMarkdown(self, md: Markdown) -> None:
        """See markdown."""
        md.inlinePatterns.register(Line(r"\$([^$\s](?:[^$\n]*[^$\s])?)\$", md), "math", 185)
        md.parser.blockprocessors.register(Paragraph(md.parser), "math", 110)


def makeExtension(**options: object) -> MathML:
    """The name by which markdown finds it."""
    return MathML(**options)

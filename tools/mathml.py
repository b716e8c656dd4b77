"""A Markdown extension: equations between dollar signs as MathML, which browsers draw without a script.

$x$ stands in a line; $$x$$ is a paragraph. The same text is an equation on GitHub and in a notebook.
"""

import re
from xml.etree.ElementTree import Element, SubElement, fromstring, register_namespace, tostring

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.inlinepatterns import InlineProcessor

register_namespace("", "http://www.w3.org/1998/Math/MathML")


def display(tex: str) -> str:
    """An equation of its own, with the limits of sums and products below and above them, also between brackets."""
    root = fromstring(convert(tex, display="block"))
    for node in root.iter():
        if len(node) and node[0].text in ("∑", "∏"):
            node.tag = node.tag.replace("msubsup", "munderover").replace("msub", "munder")
    return tostring(root, encoding="unicode")


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
        equation = display(blocks.pop(0).strip().strip("$"))
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

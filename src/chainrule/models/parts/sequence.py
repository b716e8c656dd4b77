"""What the nets of sequences share: how a step enters and what it is drawn from."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Head, NADEHead, default_head
from chainrule.layers import Encoding
from chainrule.models.parts.encoders import encoder

OutputName = Literal["independent", "nade"]
OUTPUTS = get_args(OutputName)


class SequenceParts(NamedTuple):
    """The ends of a net.

    Attributes:
        code: of a site.
        channels: of the code.
        head: of a site.
        length: sites T.
    """

    code: Encoding
    channels: int
    head: Head
    length: int


def sequence_parts(
    domain: Domain, *, encoding: str | None = None, output: str = "independent"
) -> SequenceParts:
    """One variable a site, or the variables of a step if a sequence has several.

    Args:
        domain: a discrete one, of any layout.
        encoding: see `models.encoding`.
        output: of steps of several variables: "independent" given what came before the step, or "nade", for bits,
            each of which then sees those before it in its step.

    Raises:
        DomainError: if a NADE is asked for, and steps are not of several bits.
    """
    variables = domain.width
    code, channels = encoder(domain, encoding)
    if output not in OUTPUTS:
        raise ChainruleError(f"output: expected one of {', '.join(OUTPUTS)}, got {output!r}")
    if output == "nade" and (variables == 1 or domain.levels != 2):
        raise DomainError(f"output nade: expected steps of several bits, got {domain}")
    head = NADEHead(variables) if output == "nade" else default_head(domain, variables)
    return SequenceParts(code, channels * variables, head, domain.size // variables)

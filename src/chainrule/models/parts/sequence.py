"""What the nets of sequences share: how a step enters and what it is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Head, NADEHead, default_head, vector_head
from chainrule.layers import Encoding
from chainrule.models.parts.encoders import encoder, vector_encoder

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
    domain: Domain,
    *,
    encoding: str | None = None,
    output: str = "independent",
    order: Sequence[int] | None = None,
    components: int = 10,
    kernel: str = "logistic",
) -> SequenceParts:
    """One variable a site, or the variables of a step if a sequence has several; reals by mixtures.

    Args:
        domain: of levels, or of reals, one a step; of a net whose weights belong to sites, also a table.
        encoding: see `models.encoding`.
        output: of steps of several variables: "independent" given what came before the step, or "nade", for bits,
            each of which then sees those before it in its step.
        order: the variables in generation order, of a net whose weights belong to sites.
        components, kernel: of the mixtures, for reals; see `heads.Mixture`.

    Raises:
        DomainError: if a NADE is asked for, and steps are not of several bits; of several reals a step; of
            a table without an order.
    """
    variables = domain.width
    if not domain.discrete and variables == 1 and (order is not None or not domain.columns):
        if output != "independent":
            raise DomainError(f"output {output}: expected steps of several bits, got {domain}")
        columns = range(domain.size) if order is None else order
        mixture = vector_head(domain, columns, components=components, kernel=kernel)
        return SequenceParts(*vector_encoder(domain, columns, encoding), mixture, domain.size)
    code, channels = encoder(domain, encoding)
    if output not in OUTPUTS:
        raise ChainruleError(f"output: expected one of {', '.join(OUTPUTS)}, got {output!r}")
    if output == "nade" and (variables == 1 or domain.levels != 2):
        raise DomainError(f"output nade: expected steps of several bits, got {domain}")
    head = NADEHead(variables) if output == "nade" else default_head(domain, variables)
    return SequenceParts(code, channels * variables, head, domain.size // variables)

"""A model on items of another length."""

from __future__ import annotations

from dataclasses import replace

from chainrule.errors import DomainError
from chainrule.models.base.model import Model
from chainrule.models.registry import create_model


def of_length(model: Model, steps: int) -> Model:
    """The same weights on sequences of another length, for nets whose weights do not depend on the position.

    A condition that is a map in time is then as long as they are.

    Args:
        model: of the registry, of sequences.
        steps: T.

    Raises:
        DomainError: if items are not sequences, or weights depend on the position.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("gru", cr.Domain.sequence(8, levels=3), width=4)
        >>> of_length(model, 20).domain
        Domain('sequence:20:3')
    """
    domain = model.domain
    if domain.layout != "sequence" or not isinstance(domain.levels, int | None) or model.name is None:
        raise DomainError(
            f"expected a model of the registry, of sequences of one number of levels, got {domain}"
        )
    other = create_model(
        model.name, replace(domain, event_shape=(steps, *domain.event_shape[1:])), **model.hyperparameters
    )
    own, found = ({name: t.shape for name, t in m.state_dict().items()} for m in (other, model))
    if own != found:
        raise DomainError(
            f"{model.name}: its weights depend on the position in {domain}, they cannot serve {steps} steps"
        )
    other.load_state_dict(model.state_dict())
    return other.to(model.device, model.dtype).train(model.training)

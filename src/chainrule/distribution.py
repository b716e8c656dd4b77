"""A model as a `torch.distributions.Distribution`, for code written for that interface."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from chainrule.domain import INTEGERS, Domain
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError, ConditionError
from chainrule.models import Model
from chainrule.models.base.capabilities import Exact


def as_distribution(
    model: Model, cond: Tensor | int | None = None, *, validate_args: bool | None = None
) -> Distribution:
    """The model's distribution of one item, or one distribution for each condition.

    `log_prob` is in nats and differentiable in the parameters; it runs in the mode the model is in, so call
    `model.eval()` where there is dropout. `sample` draws from torch's global generator, as all of
    torch.distributions does, on the model's device and without gradients.

    Args:
        model: its event shape is that of its domain.
        cond: of a conditional model: a label or a vector for a batch shape of (), or a batch of either, whose shape is
            then the batch shape.
        validate_args: whether `log_prob` checks values against the support first; as in torch.distributions.

    Raises:
        ChainruleError: if the model has no exact likelihood.
        ConditionError: if the condition is missing or superfluous.

    Example:
        >>> import chainrule as cr
        >>> p = as_distribution(cr.create_model("made", cr.Domain.binary(6), hidden=[16]))
        >>> p.log_prob(p.sample((3, 2))).shape
        torch.Size([3, 2])
    """
    return ModelDistribution(model, cond, validate_args=validate_args)


class ModelDistribution(Distribution):
    """What `as_distribution` returns."""

    has_rsample = False
    arg_constraints: dict = {}  # noqa: RUF012  torch declares a property

    def __init__(
        self, model: Model, cond: Tensor | int | None = None, *, validate_args: bool | None = None
    ) -> None:
        if not isinstance(model, Exact):
            raise ChainruleError(
                f"as_distribution: expected a model with an exact likelihood, {model.name or type(model).__name__} "
                "has none; its decoder, given a code, has one"
            )
        if model.conditional and cond is None:
            raise ConditionError(
                f"cond: the model is conditional, expected {model.condition.expected}, got None"
            )
        self.model = model
        self.cond = None if cond is None else torch.as_tensor(cond, device=model.device)
        model.check_cond(self.cond)
        batch = () if self.cond is None else self.cond.shape[: self.cond.ndim - self._cond_dims]
        super().__init__(torch.Size(batch), torch.Size(model.domain.event_shape), validate_args)

    @property
    def support(self) -> Any:
        """The domain, as a constraint."""
        return domain_constraint(self.model.domain, self.model.device)

    def log_prob(self, value: Tensor) -> Tensor:
        """(*sample_shape, *batch_shape, *event_shape) → (*sample_shape, *batch_shape) nats.

        Raises:
            ValueError: if a value lies outside the support.
        """
        if self._validate_args:
            self._validate_sample(value)
        lead = torch.broadcast_shapes(value.shape[: value.ndim - len(self.event_shape)], self.batch_shape)
        items = value.expand(*lead, *self.event_shape).reshape(-1, *self.event_shape)
        return self.model.log_prob(items, self._conditions(lead)).reshape(lead)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  torch's own signature
        """Draw (*sample_shape, *batch_shape, *event_shape)."""
        lead = torch.Size(sample_shape) + self.batch_shape
        return self.model.sample(lead.numel(), self._conditions(lead)).reshape(*lead, *self.event_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ModelDistribution:
        """The same distribution, or distributions, in a larger batch."""
        new = self._get_checked_instance(ModelDistribution, _instance)
        shape = torch.Size(batch_shape)
        new.model, new.cond = self.model, self.cond
        if self.cond is not None:
            new.cond = self.cond.expand(*shape, *self.cond.shape[self.cond.ndim - self._cond_dims :])
        Distribution.__init__(new, shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _cond_dims(self) -> int:
        """Dimensions of one condition: none of a label, one of a vector."""
        return 0 if self.cond is None or self.cond.dtype in INTEGERS else 1

    def _conditions(self, lead: torch.Size) -> Tensor | None:
        """A condition for each of the items of a leading shape."""
        if self.cond is None:
            return None
        own = self.cond.shape[self.cond.ndim - self._cond_dims :]
        return self.cond.expand(*lead, *own).reshape(lead.numel(), *own)

    def __repr__(self) -> str:
        return f"ModelDistribution({self.model.name or type(self.model).__name__}, {self.model.domain})"


def domain_constraint(domain: Domain, device: torch.device | None = None) -> constraints.Constraint:
    """The set of a domain's items as torch.distributions writes such sets.

    Args:
        domain: of any kind.
        device: of the values to check.
    """
    if domain.columns:
        return Row(domain.columns)
    if not domain.discrete:
        return constraints.independent(constraints.real, len(domain.event_shape))
    highest: Any = domain.max_levels - 1
    if isinstance(domain.levels, tuple):
        highest = torch.tensor(domain.levels_per_variable, device=device).reshape(domain.event_shape) - 1
    return constraints.independent(constraints.integer_interval(0, highest), len(domain.event_shape))


class Row(constraints.Constraint):
    """The rows (…, D) of a table: each cell of its column's kind, NaN where it may be missing."""

    event_dim = 1

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.is_discrete = not any(column.has_density for column in columns)
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        """(…, D) → (…,) booleans."""
        cells = zip(self.columns, value.unbind(-1), strict=True)
        return torch.stack([self._check_cells(column, cell) for column, cell in cells], -1).all(-1)

    @staticmethod
    def _check_cells(column: Column, cells: Tensor) -> Tensor:
        good = cells.isfinite()
        if column.kind in ("categorical", "integer"):
            good &= cells == cells.round()
        if column.levels:
            good &= (cells >= 0) & (cells < column.levels)
        return good | cells.isnan() if column.missing else good

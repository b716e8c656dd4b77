"""What is modelled: the shape and the values of x, its columns, and the order of its variables."""

from chainrule.domain.column import Column
from chainrule.domain.domain import INTEGERS, LAYOUTS, Domain
from chainrule.domain.ordering import Ordering

__all__ = ["INTEGERS", "LAYOUTS", "Column", "Domain", "Ordering"]

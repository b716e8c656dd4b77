"""The laws of the library, public: prove your own model, layer or head with `check_model` and its kin."""

from chainrule.testing.grid import check_grid_layer
from chainrule.testing.heads import check_head
from chainrule.testing.layers import check_layer
from chainrule.testing.models import LAWS, check_model, served_domains
from chainrule.testing.subject import LawNotBinding, LawNotTried, LawViolation, Subject

__all__ = [
    "LAWS",
    "LawNotBinding",
    "LawNotTried",
    "LawViolation",
    "Subject",
    "check_grid_layer",
    "check_head",
    "check_layer",
    "check_model",
    "served_domains",
]

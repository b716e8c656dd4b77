"""A run for others: measured, described, in one file; and its numbers measured again."""

from chainrule.tasks.sharing.card import card_of
from chainrule.tasks.sharing.numbers import Verification, measure, recorded, verify
from chainrule.tasks.sharing.parts import pack
from chainrule.tasks.sharing.push import push_to_hub
from chainrule.tasks.sharing.reference import reference_for, reference_of

__all__ = [
    "Verification",
    "card_of",
    "measure",
    "pack",
    "push_to_hub",
    "recorded",
    "reference_for",
    "reference_of",
    "verify",
]

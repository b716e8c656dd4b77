"""What is said on the way, beside results and errors: progress, and what was found in data."""

from __future__ import annotations

import logging

LOG = logging.getLogger("chainrule")


def wanted() -> bool:
    """Whether it is shown. `logging.getLogger("chainrule").setLevel(logging.ERROR)` ends it, as --quiet does."""
    return LOG.isEnabledFor(logging.WARNING)

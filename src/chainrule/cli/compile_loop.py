"""`chainrule compile`: the native loop, ahead of its first use."""

from __future__ import annotations

import time

from chainrule.cli.output import say
from chainrule.errors import ChainruleError


def compile_() -> None:
    """Compile the native loop, which draws on a CPU, ahead of its first use.

    Without it, the first longer draw begins to compile in the background, and is slower until it is done. Run it
    once after installing, such as in a container's image: about 20 seconds.

    Example:

    `chainrule compile`
    """
    try:
        from chainrule.engine.native import machine
    except ImportError as missing:
        raise ChainruleError(f"compile: numba cannot be loaded ({missing}); pip install numba") from missing
    start, before = time.perf_counter(), machine.find()
    place = machine.keep()
    if place is None:
        tried = ", ".join(map(str, machine.places()))
        raise ChainruleError(f"compile: expected a folder that can be written, got none of {tried}")
    machine.load()
    if before == place:
        say(f"compiled already: {place}")
    else:
        say(f"compiled in {time.perf_counter() - start:.0f} seconds: {place}")

"""The command line: parse → task → print. Nothing here that Python users could want."""

from chainrule.cli.app import main

__all__ = ["main"]

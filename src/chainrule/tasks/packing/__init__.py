"""What a source holds besides the coded numbers, so that it is restored exactly: one file per kind."""

from chainrule.tasks.packing.kinds import KINDS, Kind, kind_of_source
from chainrule.tasks.packing.source import Source
from chainrule.tasks.packing.streams import Stream, restoring, stream_of

__all__ = ["KINDS", "Kind", "Source", "Stream", "kind_of_source", "restoring", "stream_of"]

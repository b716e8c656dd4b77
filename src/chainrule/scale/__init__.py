"""Verbs over large tables: row ranges on local processes, Ray Data or Spark, one pure function for all."""

from chainrule.scale.map import map

__all__ = ["map"]

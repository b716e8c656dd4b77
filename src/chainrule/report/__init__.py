"""Pictures of what a model does, and the page of a run."""

from chainrule.report.bits import draw_bits
from chainrule.report.export import export_items
from chainrule.report.fields import draw_receptive_fields
from chainrule.report.page import write_report
from chainrule.report.pictures import completion_grid, image_grid
from chainrule.report.structure import draw_masks, draw_structure
from chainrule.report.writers import WRITERS, Export, Writer

__all__ = [
    "WRITERS",
    "Export",
    "Writer",
    "completion_grid",
    "draw_bits",
    "draw_masks",
    "draw_receptive_fields",
    "draw_structure",
    "export_items",
    "image_grid",
    "write_report",
]

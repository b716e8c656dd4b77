"""Published models, read into the library's own: `read_pretrained`."""

from chainrule.importers.read import Pretrained, read_pretrained

__all__ = ["Pretrained", "read_pretrained"]

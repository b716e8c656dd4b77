"""Published models, read into the library's own: `read_pretrained`."""

from chainrule.importers.read import Pretrained, from_pretrained, read_pretrained

__all__ = ["Pretrained", "from_pretrained", "read_pretrained"]

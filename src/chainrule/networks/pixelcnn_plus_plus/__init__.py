"""The network of PixelCNN++: levels of residual blocks, and the short cuts between them."""

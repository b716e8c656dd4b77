"""Sources that are larger than memory: read in parts, when their items are asked for."""

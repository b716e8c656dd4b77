"""Options that several commands share, by subject; how a command takes a group of them."""

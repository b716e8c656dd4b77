"""Public sources of the named sets: downloads, and what makes our files of them."""

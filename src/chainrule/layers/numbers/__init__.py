"""Number columns of a table: their supports, the maps of their marginals, and how these are fitted."""

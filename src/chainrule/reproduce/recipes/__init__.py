"""Recipes, a folder per table of results: `chainrule train FILE`, `chainrule reproduce TABLE`."""

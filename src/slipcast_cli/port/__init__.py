"""``slipcast port``: files that another stack's engineers expect, made from a release's portable bundle."""

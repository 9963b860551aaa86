"""Charts of the report, by topic. Each takes the record and returns an SVG, or None if there is nothing to draw."""

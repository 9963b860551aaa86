"""The charts of the report, by topic. Each takes the record and returns an SVG, or None with nothing to draw."""

"""The charts of the report, by topic. Each function takes the record and returns an SVG, or None with nothing to draw."""

"""From a dropped file to a checked table: formats, mapping profiles, rules, quarantine."""

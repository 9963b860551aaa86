"""Mutants: the code that decides, changed in one place at a time; its tests have to notice each change."""

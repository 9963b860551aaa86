"""Slipcast under load, next to a bare handler on the same runtime; docs/load.md explains the figures.

``.venv/bin/python -m benchmarks.load`` measures them. Locust asks, in an environment of its own.
"""

"""Forecasts from a data date: when open activities finish, how sure that is, and whether it held."""

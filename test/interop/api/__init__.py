"""Calls to WildDuck's HTTP API and to ours, each on its own database: the same answers."""

"""npm's WildDuck and this server on the same databases."""

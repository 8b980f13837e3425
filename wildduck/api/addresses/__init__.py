"""Addresses over the API: of accounts and forwarded ones."""

"""The messages of a mailbox (spec/api.md §4)."""

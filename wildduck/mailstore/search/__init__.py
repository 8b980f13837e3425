"""
Finding messages, whoever asks: IMAP's SEARCH, the API's search.

What is asked is a tree of frozen keys (L{wildduck.mailstore.search.keys}).  A
search goes from what is cheap to what is expensive, and at each step looks only
at the messages of which it is not decided yet (L{wildduck.mailstore.search.decide}):
what the open mailbox's index knows (flags, UIDs, INTERNALDATE), Date fields and
sizes, header fields, texts.
"""

from __future__ import annotations

from wildduck.mailstore.search.run import Search

__all__ = ["Search"]

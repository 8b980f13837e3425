"""
Words and fields of messages, kept so that SEARCH need not read every message.

A search for text finds any substring of what people read, folded
(L{wildduck.mailstore.search.texts}).  Folded text is cut into B{words}
(L{words}); a text without a separator stands in a message exactly if it stands
within one of its words, so a list of words answers without the message.  A text
with separators (a phrase) rules out messages that lack a word of it; the others
are read as ever.

Of the fields that SEARCH has keys for (FROM, TO, CC, BCC, SUBJECT) the values are
kept as a whole, as L{wildduck.mailstore.search.fields} compares them, and apart from
them what ENVELOPE shows of their addresses otherwise: any text but
the empty one is found or not without the message.  Of other fields the name and what
they contain are among the words of the header: a message that lacks one of them
is ruled out.

What stands under a mailbox and a UID never changes, so nothing here has to be
brought up to date: a B{segment} (L{segment}) holds this of some messages of a
mailbox, is written once, and says nothing of any other message.  What no segment
speaks of is read.  The collection is a cache: without it, or without a part of
it, searches are slower and say the same.

  - L{words}: from a message to its words and values, from a text to what is looked for.
  - L{segment}: some messages' words, and finding in them.
  - L{building}: making segments of messages, and of other segments.
  - L{segments}: the collection, and those that a worker has at hand.
  - L{indexer}: writes segments when there is time.
  - L{placing}: from a segment's messages to a search's.
  - L{asked}: what all of them say of a search's texts and fields.
  - L{sweeping}: words of messages that are gone go too.
"""

from __future__ import annotations

from wildduck.mailstore.text_index.asked import TextIndex

__all__ = ["TextIndex"]

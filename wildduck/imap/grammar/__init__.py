"""
IMAP's syntax, apart from any transport, session or store.

Bytes become frozen request values (L{wildduck.imap.grammar.reader}), response
values become bytes (L{wildduck.imap.grammar.responses}).  One module per command
family holds its values, how they are read and how they are written.  Whatever
is fed gives a value, "need more" or a L{wildduck.errors.ProtocolError}, and
feeding byte by byte gives the same as feeding all at once.
"""

"""
The IMAP face (RFC 3501 and extensions).

Bytes become values in L{wildduck.imap.grammar}; L{wildduck.imap.scheduler} decides
what runs when, by the rows of L{wildduck.imap.commands.table}; a handler of
L{wildduck.imap.commands} does the work and answers through its
L{wildduck.imap.session.Session}; L{wildduck.imap.connection} joins all that to a
transport.
"""

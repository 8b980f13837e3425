"""wildduck: a distributed IMAP, POP3 and LMTP server with an HTTP API, on Twisted and MongoDB."""

__version__ = "0.1.0"

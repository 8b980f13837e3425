"""Makes C{twistd wildduck} known.  No C{__init__.py} belongs beside this file."""

from twisted.application.service import ServiceMaker

wildduck = ServiceMaker(
    "wildduck",
    "wildduck.service",
    "A distributed IMAP and LMTP mail server with an HTTP API",
    "wildduck",
)

"""
Making messages: header fields, bodies and their structure, out of plain values.

The opposite direction of the parser beside it, and as strict as that one is
forgiving: lines end with CRLF and are at most 998 bytes long, headers are ASCII
(RFC 2047, RFC 2231) but for addresses that can't be, and no value that is given
can begin a line of its own.
"""

from wildduck.mime.compose.build import compose
from wildduck.mime.compose.data_urls import with_images
from wildduck.mime.compose.values import Address, Attachment, Draft, source_of

__all__ = ["Address", "Attachment", "Draft", "compose", "source_of", "with_images"]

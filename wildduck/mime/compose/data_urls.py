"""Images that stand in HTML as data: URLs (RFC 2397), made parts of their own."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from wildduck.mime.compose.values import Attachment, source_of

#: Images of one message; further ones stay where they are.
IMAGES = 200

# The names before it are bounded, and a value ends at the first mark that closes it.
_IMAGE = re.compile(
    r"(<img\b[^<>]{0,1024}?\ssrc\s{0,20}=\s{0,20})(\"\s{0,20}data:[^\"<>]+\"|'\s{0,20}data:[^'<>]+')",
    re.IGNORECASE,
)
_URL = re.compile(r"data:(image/[A-Za-z0-9.+-]{1,60})((?:;[A-Za-z0-9.+_=-]{1,60}){0,5}),(.*)", re.DOTALL)
_BLANKS = re.compile(r"\s+")
_EXTENSIONS = {"jpeg": "jpg", "svg+xml": "svg", "x-icon": "ico", "vnd.microsoft.icon": "ico"}


def extract(html: str, new_id: Callable[[int], str]) -> tuple[str, list[Attachment]]:
    """
    Replace images that HTML holds by links to parts.

    The same image twice makes one part.  What is no base64, or no image, stays.

    @param new_id: a Content-ID for the image of this number, from 1.
    @return: the HTML with C{cid:} links, and the parts.
    """
    if "data:" not in html and "DATA:" not in html.upper():
        return html, []
    found: dict[str, Attachment] = {}

    def replaced(match: re.Match[str]) -> str:
        quote, url = match[2][0], match[2][1:-1].strip()
        known = found.get(url)
        if known is None:
            known = None if len(found) >= IMAGES else _image(url, len(found) + 1, new_id)
            if known is None:
                return match[0]
            found[url] = known
        return f"{match[1]}{quote}cid:{known.content_id}{quote}"

    return _IMAGE.sub(replaced, html), list(found.values())


def _image(url: str, number: int, new_id: Callable[[int], str]) -> Attachment | None:
    match = _URL.fullmatch(url)
    if match is None:
        return None
    kind, options, data = match[1].lower(), match[2].lower(), match[3]
    content = unquote_to_bytes(data)
    if options.endswith(";base64"):
        try:
            content = binascii.a2b_base64(_BLANKS.sub("", content.decode("latin-1")))
        except (binascii.Error, ValueError):
            return None
    if not content:
        return None
    subtype = kind.partition("/")[2]
    return Attachment(
        source_of(content),
        kind,
        f"image-{number}.{_EXTENSIONS.get(subtype, subtype)}",
        new_id(number),
        "inline",
    )

"""Images that stand in HTML as data: URLs (RFC 2397), made parts of their own."""

from __future__ import annotations

import binascii
import html as entities
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from wildduck.mime.compose.values import Attachment, Draft, source_of

#: Images of one message; further ones stay where they are.
IMAGES = 200
#: Characters of a file name that is kept.
_NAME_LENGTH = 255

# Each character can be of one alternative only, and no tag begins in another: linear.
_TAG = re.compile(r"<img\b(?:[^<>\"']|\"[^\"<>]*\"|'[^'<>]*'){0,4096}>", re.IGNORECASE)
_SOURCE = re.compile(r"(?<=[\s\"'])src\s{0,20}=\s{0,20}([\"'])(\s{0,20}data:[^\"'<>]*)\1", re.IGNORECASE)
_FILENAME = re.compile(r"\s*(?<=[\s\"'])data-filename\s{0,20}=\s{0,20}([\"'])([^\"'<>]*)\1", re.IGNORECASE)
_URL = re.compile(
    r"data:(image/[a-z0-9.+-]{1,60})((?:;[a-z0-9.+_=-]{1,60}){0,5}),(.*)", re.IGNORECASE | re.DOTALL
)
_BLANKS = re.compile(r"\s+")
_EXTENSIONS = {"jpeg": "jpg", "svg+xml": "svg", "x-icon": "ico", "vnd.microsoft.icon": "ico"}


def with_images(draft: Draft, new_id: Callable[[], str]) -> Draft:
    """
    Replace the images that a draft's HTML holds by links to parts.

    The same image twice makes one part.  What is no image, or no good base64,
    stays.  C{data-filename} of an image names its part.

    @param new_id: a Content-ID that no other part has.
    @return: with C{cid:} links in its HTML, and the parts before its attachments.
    """
    if not draft.html or "data:" not in draft.html.lower():
        return draft
    found: dict[str, Attachment] = {}

    def replaced(tag: re.Match[str]) -> str:
        source = _SOURCE.search(tag[0])
        if source is None:
            return tag[0]
        url = source[2].strip()
        known = found.get(url)
        name = _FILENAME.search(tag[0])
        if known is None:
            if len(found) >= IMAGES:
                return tag[0]
            known = _image(url, name[2] if name else "", len(found) + 1, new_id)
            if known is None:
                return tag[0]
            found[url] = known
        link = f"src={source[1]}cid:{known.content_id}{source[1]}"
        linked = tag[0][: source.start()] + link + tag[0][source.end() :]
        return _FILENAME.sub("", linked, count=1)

    html = _TAG.sub(replaced, draft.html)
    return replace(draft, html=html, attachments=(*found.values(), *draft.attachments))


def _image(url: str, name: str, number: int, new_id: Callable[[], str]) -> Attachment | None:
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
    name = entities.unescape(name)[:_NAME_LENGTH].strip()
    return Attachment(
        source_of(content),
        kind,
        name or f"image-{number}.{_EXTENSIONS.get(subtype, subtype)}",
        new_id(),
        "inline",
    )

"""
Where our ENVELOPE and BODYSTRUCTURE of the corpus are not Dovecot 2.3's, and the RFC's words for ours.

A row names one message, the fields that differ with our values for them, and
the reason.  What a field of BODYSTRUCTURE is, it is in BODY too.  A row with
C{anything} allows other fields of that part tree to differ as well, because the
two see different parts.  A field that no row names must be equal, and a row
whose field does not differ any more is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DELIMITER_BREAK = (
    'RFC 2046 §5.1.1: "The CRLF preceding the boundary delimiter line is conceptually attached to the '
    'boundary." Dovecot counts it to the body of a message/rfc822.'
)
DELIMITER_LINE = (
    'RFC 2046 §5.1.1: "The boundary delimiter line is then defined as a line consisting entirely of two '
    "hyphen characters followed by the boundary parameter value from the Content-Type header field, optional "
    'linear whitespace, and a terminating CRLF." Dovecot takes a line that goes on after the value, or '
    "compares its beginning only. (A note in §5.1.1 finds that sufficient; but boundaries of nested "
    "multiparts do begin with each other in real mail, and WildDuck 1.50 splits by whole lines.)"
)
UNQUOTED_BOUNDARY = (
    'RFC 2045 §5.1: tspecials such as "=" "must be in quoted-string, to use within parameter values". The '
    "sender forgot the quotes; the delimiter lines have the whole value (RFC 2046 §5.1.1), so the value is "
    'read up to the ";". Dovecot ends it before the "=" and so takes the closing delimiter for a part.'
)
INVALID_CONTENT_TYPE = (
    'RFC 2045 §5.2: "It is also recommend that this default [text/plain; charset=us-ascii] be assumed when '
    'a syntactically invalid Content-Type header field is encountered." Dovecot sends empty strings.'
)
ENCODING_TOKEN = (
    'RFC 2045 §6.1: mechanism is a token, and §5.1: ";" ends a token. Dovecot takes the whole header for '
    "unknown and says 7bit, which the body is not."
)
EMPTY_DISPOSITION = (
    'RFC 2183 §2: disposition-type is "inline" / "attachment" / extension-token, and a token has at least '
    "one character (RFC 2045 §5.1). What has none is no disposition: NIL. Dovecot sends an empty string."
)
NUL_IN_BASE64 = (
    'RFC 3501 §9: CHAR8 is "any OCTET except NUL", and §7.4.2: "this size is the size in its transfer '
    'encoding". A part with NUL is sent in base64, which is what its structure must describe. Dovecot sends '
    "0x80 for each NUL under the label binary."
)
BLANKS_ARE_NOT_THE_DATE = (
    "RFC 5322 §3.3: the blanks around a date-time are CFWS, no part of the date; §2.2.3: a fold is removed "
    "before a field is read. Dovecot keeps them in the Date."
)
EMPTY_ADDRESS = (
    'RFC 5322 §4.4: obs-addr-list = *([CFWS] ",") address *("," [address / CFWS]): between two commas may be '
    "nothing, which is no address. Dovecot makes up MISSING_MAILBOX."
)
NO_ADDRESS_SYNTAX = (
    "RFC 5322 §3.4 has no such address, and RFC 3501 §7.4.2 asks for personal name, mailbox and host name: "
    "ours are the addr-spec that is there, and the other words as its name. Dovecot drops words, the "
    "addresses behind them, or makes up SYNTAX_ERROR or MISSING_MAILBOX."
)


@dataclass(frozen=True)
class Row:
    """
    One message of the corpus.

    @ivar message: path below the corpus.
    @ivar reason: one of the above.
    @ivar ours: our values by field name; C{envelope to} or C{1.2 octets}.
    @ivar anything: further fields of the structure may differ.
    """

    message: str
    reason: str
    ours: dict[str, Any]
    anything: bool = False


def _address(local: bytes, domain: bytes, name: bytes | None = None, route: bytes | None = None) -> list[Any]:
    return [name, route, local, domain]


_CONCIERGE = [_address(b"tim", b"powerupdev.com", b"concierge@powerupdev.com")]

ROWS = (
    Row("mail-parser/rfc/008.eml", DELIMITER_BREAK, {"2 octets": 1194, "2 lines": 15}),
    Row("mail-parser/thirdparty/007.eml", DELIMITER_BREAK, {"3 octets": 332, "3 lines": 14}),
    Row(
        "mail-gem/mime_emails/raw_email4.eml",
        DELIMITER_LINE,
        {"message parts": 3, "3 octets": 47, "3 lines": 3},
        anything=True,
    ),
    Row("mail-parser/malformed/004.eml", DELIMITER_LINE, {"1 type": b"text", "1 octets": 0}, anything=True),
    Row("mail-parser/malformed/007.eml", DELIMITER_LINE, {"message parts": 1}, anything=True),
    Row(
        "mail-parser/malformed/016.eml",
        DELIMITER_LINE,
        {"message parts": 2, "1.1 parts": 1, "2 octets": 240},
        anything=True,
    ),
    Row(
        "mail-gem/mime_emails/raw_email_with_binary_encoded.eml",
        UNQUOTED_BOUNDARY,
        {"message parts": 1},
        anything=True,
    ),
    Row(
        "mail-gem/mime_emails/raw_email_with_illegal_boundary.eml",
        UNQUOTED_BOUNDARY,
        {"message parts": 2},
        anything=True,
    ),
    Row(
        "mail-gem/plain_emails/raw_email_bad_time.eml", UNQUOTED_BOUNDARY, {"message parts": 2}, anything=True
    ),
    Row(
        "mail-parser/malformed/017.eml",
        INVALID_CONTENT_TYPE,
        {
            "message type": b"text",
            "message subtype": b"plain",
            "message parameters": [b"charset", b"us-ascii"],
            "message lines": 9,
        },
    ),
    Row(
        "mail-gem/error_emails/content_transfer_encoding_with_semi_colon.eml",
        ENCODING_TOKEN,
        {"2 encoding": b"quoted-printable"},
    ),
    Row("mail-gem/error_emails/missing_content_disposition.eml", EMPTY_DISPOSITION, {"1 disposition": None}),
    Row(
        "mail-gem/error_emails/multiple_invalid_content_dispositions.eml",
        EMPTY_DISPOSITION,
        {"message disposition": None},
    ),
    Row(
        "mail-parser/thirdparty/005.eml",
        NUL_IN_BASE64,
        {"1 encoding": b"base64", "1 octets": 36, "1 lines": 0},
    ),
    Row("mail-gem/error_emails/bad_date_header.eml", BLANKS_ARE_NOT_THE_DATE, {"envelope date": b"<HR>"}),
    Row(
        "mail-gem/error_emails/bad_subject.eml",
        BLANKS_ARE_NOT_THE_DATE,
        {"envelope date": b"Wed, 15 Dec 2010 12:21:20 -0500"},
    ),
    Row(
        "mail-gem/error_emails/weird_to_header.eml",
        EMPTY_ADDRESS,
        {"envelope to": [_address(b"user-example", b"aol.com"), _address(b"e-s-a-s-2200", b"app.ar.com")]},
    ),
    Row(
        "mail-gem/rfc2822/example11.eml",
        EMPTY_ADDRESS,
        {
            "envelope to": [
                _address(b"mary", b"example.net", b"Mary Smith", b"@machine.tld"),
                _address(b"jdoe", b"test.example"),
            ]
        },
    ),
    Row(
        "mail-gem/error_emails/missing_body.eml",
        NO_ADDRESS_SYNTAX,
        {"envelope to": [_address(b"Undisclosed-Recipient:", b"mailman.enron.com")]},
    ),
    Row(
        "mail-gem/plain_emails/mix_caps_content_type.eml",
        NO_ADDRESS_SYNTAX,
        {"envelope from": [_address(b"bb", b"bug.com", b"Big Bug")]},
    ),
    Row(
        "mail-gem/plain_emails/raw_email_multiple_from.eml",
        NO_ADDRESS_SYNTAX,
        {"envelope from": _CONCIERGE, "envelope to": _CONCIERGE},
    ),
    Row(
        "mail-gem/plain_emails/raw_email_with_at_display_name.eml",
        NO_ADDRESS_SYNTAX,
        {
            "envelope to": [
                _address(b"smith", b"gmail.com"),
                _address(b"raasdnil", b"gmail.com", b"Mikel@Lindsaar"),
                _address(b"tom", b"gmail.com"),
            ]
        },
    ),
)


def unexplained(message: str, found: dict[str, tuple[Any, Any]]) -> list[str]:
    """
    What the table does not explain, in words.

    @param found: our value and Dovecot's by field name, where they differ.
    """
    rows = [row for row in ROWS if row.message == message]
    problems = []
    for name, (ours, theirs) in found.items():
        row = next((row for row in rows if name in row.ours), None)
        if row is None:
            if name.startswith("envelope ") or not any(row.anything for row in rows):
                problems.append(f"{name}: ours {ours!r}, Dovecot's {theirs!r}")
        elif row.ours[name] != ours:
            problems.append(f"{name}: ours is {ours!r}, the table says {row.ours[name]!r}")
    for row in rows:
        problems += [f"{name}: listed, but does not differ" for name in row.ours if name not in found]
    return problems

"""
The corpus messages that WildDuck's tree can not give back, and what it makes of them.

This server keeps beside the tree what makes it exact (store.md §6) and serves what came in; WildDuck, which
reads the tree alone, serves what its rebuild gives.  A message that no row names must be the same on both,
and a row whose message is the same on both is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

LINE_BREAKS = (
    "The tree does not say how many line breaks stand between a header or preamble and the first delimiter, "
    "or after the last one: WildDuck sends one more, or one less."
)
EPILOGUE_FIRST = (
    "The tree keeps text before the first delimiter and text after the last one as one body: WildDuck sends "
    "both before the parts."
)
MADE_UP_DELIMITER = (
    "The tree says that a part is a multipart, not whether its closing delimiter, or any delimiter at all, "
    "was there: WildDuck sends them in any case."
)
BLANKS_AFTER_DELIMITER = "The tree does not keep the blanks after a delimiter: WildDuck sends none."
NUL = (
    "RFC 3501 §9: a literal has no NUL.  A part with NUL is sent in base64 by this server; WildDuck sends it "
    "as it is stored."
)


@dataclass(frozen=True)
class Row:
    """
    One message of the corpus.

    @ivar message: path below the corpus.
    @ivar reason: one of the above.
    @ivar size: of what WildDuck serves, Return-Path and Delivered-To counted.
    """

    message: str
    reason: str
    size: int


ROWS = (
    Row("mail-gem/attachment_emails/attachment_content_disposition.eml", LINE_BREAKS, 760),
    Row("mail-gem/attachment_emails/attachment_content_location.eml", LINE_BREAKS, 1053),
    Row("mail-gem/attachment_emails/attachment_message_rfc822_inline_image.eml", LINE_BREAKS, 3928),
    Row("mail-gem/attachment_emails/attachment_nonascii_filename.eml", LINE_BREAKS, 737),
    Row("mail-gem/attachment_emails/attachment_pdf.eml", LINE_BREAKS, 3888),
    Row("mail-gem/attachment_emails/attachment_pdf_lf.eml", LINE_BREAKS, 3888),
    Row("mail-gem/attachment_emails/attachment_pdf_non_ascii.eml", LINE_BREAKS, 3894),
    Row("mail-gem/attachment_emails/attachment_pdf_non_ascii_lf.eml", LINE_BREAKS, 3894),
    Row("mail-gem/attachment_emails/attachment_with_base64_encoded_name.eml", LINE_BREAKS, 1990),
    Row("mail-gem/attachment_emails/attachment_with_encoded_name.eml", LINE_BREAKS, 1980),
    Row("mail-gem/attachment_emails/attachment_with_unquoted_name.eml", LINE_BREAKS, 753),
    Row("mail-gem/error_emails/bad_date_header.eml", LINE_BREAKS, 2503),
    Row("mail-gem/error_emails/bad_date_header2.eml", MADE_UP_DELIMITER, 1249),
    Row("mail-gem/error_emails/cant_parse_from.eml", LINE_BREAKS, 1178),
    Row("mail-gem/error_emails/content_transfer_encoding_x_uuencode.eml", LINE_BREAKS, 4190),
    Row("mail-gem/error_emails/empty_in_reply_to.eml", MADE_UP_DELIMITER, 2547),
    Row("mail-gem/error_emails/missing_body.eml", MADE_UP_DELIMITER, 660),
    Row("mail-gem/error_emails/must_supply_encoding.eml", MADE_UP_DELIMITER, 896),
    Row("mail-gem/mime_emails/raw_email11.eml", LINE_BREAKS, 784),
    Row("mail-gem/mime_emails/raw_email12.eml", LINE_BREAKS, 1053),
    Row("mail-gem/mime_emails/raw_email2.eml", LINE_BREAKS, 6587),
    Row("mail-gem/mime_emails/raw_email4.eml", MADE_UP_DELIMITER, 2137),
    Row("mail-gem/mime_emails/raw_email_with_illegal_boundary.eml", LINE_BREAKS, 2413),
    Row("mail-gem/mime_emails/raw_email_with_mimepart_without_content_type.eml", LINE_BREAKS, 4386),
    Row("mail-gem/mime_emails/raw_email_with_multipart_mixed_quoted_boundary.eml", LINE_BREAKS, 3036),
    Row("mail-gem/mime_emails/raw_email_with_quoted_illegal_boundary.eml", LINE_BREAKS, 2415),
    Row("mail-gem/multipart_report_emails/multipart_report_multiple_status.eml", EPILOGUE_FIRST, 4720),
    Row("mail-gem/multipart_report_emails/report_530.eml", LINE_BREAKS, 4303),
    Row("mail-gem/plain_emails/raw_email8.eml", LINE_BREAKS, 1980),
    Row("mail-parser/legacy/003.eml", LINE_BREAKS, 2696),
    Row("mail-parser/legacy/015.eml", LINE_BREAKS, 11571),
    Row("mail-parser/legacy/016.eml", LINE_BREAKS, 4942),
    Row("mail-parser/legacy/017.eml", LINE_BREAKS, 5517),
    Row("mail-parser/legacy/018.eml", LINE_BREAKS, 7464),
    Row("mail-parser/legacy/023.eml", LINE_BREAKS, 5506),
    Row("mail-parser/legacy/024.eml", LINE_BREAKS, 6300),
    Row("mail-parser/legacy/025.eml", LINE_BREAKS, 10407),
    Row("mail-parser/legacy/026.eml", LINE_BREAKS, 3812),
    Row("mail-parser/legacy/030.eml", LINE_BREAKS, 6363),
    Row("mail-parser/legacy/032.eml", LINE_BREAKS, 6679),
    Row("mail-parser/legacy/035.eml", LINE_BREAKS, 11518),
    Row("mail-parser/legacy/037.eml", LINE_BREAKS, 2658),
    Row("mail-parser/legacy/039.eml", LINE_BREAKS, 10206),
    Row("mail-parser/legacy/041.eml", LINE_BREAKS, 3068),
    Row("mail-parser/legacy/042.eml", LINE_BREAKS, 2441),
    Row("mail-parser/legacy/045.eml", LINE_BREAKS, 2237),
    Row("mail-parser/legacy/047.eml", LINE_BREAKS, 2507),
    Row("mail-parser/legacy/048.eml", LINE_BREAKS, 7789),
    Row("mail-parser/legacy/050.eml", LINE_BREAKS, 6300),
    Row("mail-parser/legacy/051.eml", LINE_BREAKS, 10012),
    Row("mail-parser/malformed/000.eml", EPILOGUE_FIRST, 248),
    Row("mail-parser/malformed/001.eml", MADE_UP_DELIMITER, 235),
    Row("mail-parser/malformed/002.eml", MADE_UP_DELIMITER, 137),
    Row("mail-parser/malformed/003.eml", MADE_UP_DELIMITER, 225),
    Row("mail-parser/malformed/004.eml", MADE_UP_DELIMITER, 221),
    Row("mail-parser/malformed/005.eml", EPILOGUE_FIRST, 275),
    Row("mail-parser/malformed/006.eml", MADE_UP_DELIMITER, 228),
    Row("mail-parser/malformed/007.eml", MADE_UP_DELIMITER, 253),
    Row("mail-parser/malformed/008.eml", MADE_UP_DELIMITER, 268),
    Row("mail-parser/malformed/009.eml", MADE_UP_DELIMITER, 297),
    Row("mail-parser/malformed/011.eml", MADE_UP_DELIMITER, 297),
    Row("mail-parser/malformed/012.eml", MADE_UP_DELIMITER, 393),
    Row("mail-parser/malformed/013.eml", MADE_UP_DELIMITER, 575),
    Row("mail-parser/malformed/014.eml", MADE_UP_DELIMITER, 179),
    Row("mail-parser/malformed/015.eml", LINE_BREAKS, 681),
    Row("mail-parser/malformed/016.eml", MADE_UP_DELIMITER, 1357),
    Row("mail-parser/malformed/019.eml", MADE_UP_DELIMITER, 3008),
    Row("mail-parser/malformed/020.eml", MADE_UP_DELIMITER, 1138),
    Row("mail-parser/malformed/021.eml", MADE_UP_DELIMITER, 1180),
    Row("mail-parser/malformed/022.eml", LINE_BREAKS, 374),
    Row("mail-parser/rfc/000.eml", LINE_BREAKS, 1996),
    Row("mail-parser/rfc/001.eml", LINE_BREAKS, 1217),
    Row("mail-parser/rfc/004.eml", LINE_BREAKS, 837),
    Row("mail-parser/rfc/005.eml", EPILOGUE_FIRST, 785),
    Row("mail-parser/rfc/007.eml", BLANKS_AFTER_DELIMITER, 990),
    Row("mail-parser/rfc/009.eml", EPILOGUE_FIRST, 862),
    Row("mail-parser/thirdparty/005.eml", NUL, 720),
    Row("mail-parser/thirdparty/007.eml", LINE_BREAKS, 680),
    Row("mail-parser/thirdparty/008.eml", EPILOGUE_FIRST, 891),
    Row("mail-parser/thirdparty/011.eml", LINE_BREAKS, 6277),
    Row("mail-parser/thirdparty/012.eml", EPILOGUE_FIRST, 671),
    Row("mail-parser/thirdparty/015.eml", LINE_BREAKS, 20312),
)

"""Calls about messages."""

from __future__ import annotations

import base64

from test.interop.api.call import Call, delete, get, post, put

_INBOX = "/users/<<joe>>/mailboxes/<<inbox>>/messages"
_WORK = "/users/<<joe>>/mailboxes/<<work>>/messages"
_DRAFTS = "/users/<<joe>>/mailboxes/<<drafts>>/messages"
_RAW = "message/rfc822"

_PLAIN = (
    b"From: Sender <sender@example.net>\r\nTo: Joe <joe@example.com>\r\n"
    b"Cc: c1@example.net, C Two <c2@example.net>\r\n"
    b"Subject: =?utf-8?Q?S=C3=BCdame?= plain\r\nMessage-ID: <plain@example.net>\r\n"
    b"Date: Mon, 02 Nov 2020 10:01:00 +0200\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Hello \xc3\xb5htu,\r\n\r\nsee https://example.com for more.\r\n"
)
_REPLY = (
    b"From: joe@example.com\r\nTo: sender@example.net\r\n"
    b"Subject: Re: plain\r\nMessage-ID: <reply@example.com>\r\n"
    b"In-Reply-To: <plain@example.net>\r\nReferences: <plain@example.net> <other@example.net>\r\n"
    b"Date: Tue, 03 Nov 2020 10:01:00 +0200\r\nReply-To: r@example.net\r\n\r\nreply\r\n"
)
_RICH = (
    b"From: Rich <rich@example.net>\r\nTo: joe@example.com\r\n"
    b"Subject: rich\r\nMessage-ID: <rich@example.net>\r\n"
    b"Date: Wed, 04 Nov 2020 10:01:00 +0000\r\nMIME-Version: 1.0\r\nList-ID: The list <list.example.net>\r\n"
    b'List-Unsubscribe: <mailto:u@example.net>\r\nContent-Type: multipart/mixed; boundary="m"\r\n\r\n'
    b'--m\r\nContent-Type: multipart/related; boundary="r"\r\n\r\n'
    b'--r\r\nContent-Type: multipart/alternative; boundary="a"\r\n\r\n'
    b"--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain words\r\n"
    b"--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<p>html <b>words</b> <img src="cid:pic@example.net"></p>\r\n'
    b"--a--\r\n\r\n--r\r\nContent-Type: image/png; name=pic.png\r\nContent-ID: <pic@example.net>\r\n"
    b"Content-Disposition: inline; filename=pic.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\r\n"
    b"awAAAABJRU5ErkJggg==\r\n"
    b'--r--\r\n\r\n--m\r\nContent-Type: application/pdf; name="r\xc3\xa4port.pdf"\r\n'
    b"Content-Disposition: attachment; filename*=utf-8''r%C3%A4port.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(b"%PDF-1.4 " + bytes(range(256)) * 8).replace(b"\n", b"\r\n")
    + b"--m\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: inner@example.net\r\nSubject: inner\r\n\r\ninner text\r\n--m--\r\n"
)

UPLOADS: tuple[Call, ...] = (
    get(_INBOX),
    post(_INBOX, _PLAIN, content_type=_RAW, keep={"plain": "message.id"}),
    post(f"{_INBOX}?unseen=true&flagged=true", _REPLY, content_type=_RAW, keep={"reply": "message.id"}),
    post(_INBOX, {"raw": _RICH.decode("utf-8"), "metaData": {"from": "here"}}, keep={"rich": "message.id"}),
    post(_INBOX, {}),
    post(_INBOX, {"raw": ""}),
    post(_INBOX, {"raw": "Subject: x\r\n\r\ny", "unknown": 1}),
    post("/users/<<joe>>/mailboxes/0123456789abcdef01234567/messages", _PLAIN, content_type=_RAW),
    post("/users/0123456789abcdef01234567/mailboxes/<<inbox>>/messages", _PLAIN, content_type=_RAW),
    post("/users/<<joe>>/mailboxes/short/messages", _PLAIN, content_type=_RAW),
    post(
        _INBOX,
        {
            "date": "2020-11-05T10:00:00.000Z",
            "from": {"name": "Jõe", "address": "joe@example.com"},
            "to": [{"name": "Ann", "address": "ann@example.com"}, {"address": "x@example.org"}],
            "cc": [{"address": "cc@example.org"}],
            "bcc": [{"address": "bcc@example.org"}],
            "subject": "Structured õ",
            "text": "Text body",
            "html": "<p>Html body</p>",
            "headers": [{"key": "X-Own", "value": "own value"}],
            "attachments": [
                {
                    "filename": "a.txt",
                    "contentType": "text/plain",
                    "encoding": "base64",
                    "content": base64.b64encode(b"attached text").decode(),
                }
            ],
            "unseen": True,
        },
        keep={"structured": "message.id"},
    ),
    post(
        _DRAFTS,
        {"draft": True, "subject": "Draft", "text": "to be continued", "to": [{"address": "x@example.org"}]},
        keep={"draft": "message.id"},
    ),
    post(_INBOX, {"html": "<p>Only <b>html</b></p>", "subject": "html"}, keep={"html": "message.id"}),
    post(_INBOX, {"to": [{"address": "not an address"}], "text": "x", "subject": "odd to"}),
    post(_INBOX, {"subject": "s" * 3000, "text": "x"}),
    post(_INBOX, {"from": "nobody", "text": "x"}),
    post(_INBOX, {"text": "x", "attachments": [{"filename": "x"}]}),
    post(_INBOX, {"text": "x", "date": "yesterday"}),
)

READING: tuple[Call, ...] = (
    get(_INBOX),
    get(f"{_INBOX}?order=asc"),
    get(f"{_INBOX}?limit=2", keep={"next": "nextCursor"}),
    get(f"{_INBOX}?limit=2&next=<<next>>", keep={"previous": "previousCursor"}),
    get(f"{_INBOX}?limit=2&previous=<<previous>>"),
    get(f"{_INBOX}?unseen=true"),
    get(f"{_INBOX}?unseen=false"),
    get(f"{_INBOX}?metaData=true&threadCounters=true"),
    get(f"{_INBOX}?includeHeaders=true&limit=1"),
    get(f"{_INBOX}?order=sideways"),
    get(f"{_INBOX}?limit=0"),
    get(f"{_INBOX}?unknown=1&limit=1"),
    get(_WORK),
    get(_DRAFTS),
    get("/users/<<joe>>/mailboxes/0123456789abcdef01234567/messages"),
    get("/users/<<joe>>/mailboxes/short/messages"),
    get("/users/<<ann>>/mailboxes/<<inbox>>/messages"),
    get(f"{_INBOX}/<<plain>>"),
    get(f"{_INBOX}/<<reply>>"),
    get(f"{_INBOX}/<<rich>>"),
    get(f"{_INBOX}/<<rich>>?replaceCidLinks=true"),
    get(f"{_INBOX}/<<structured>>"),
    get(f"{_INBOX}/<<html>>"),
    get(f"{_DRAFTS}/<<draft>>"),
    get(f"{_INBOX}/<<reply>>?markAsSeen=true"),
    get(f"{_INBOX}/<<reply>>"),
    get(f"{_INBOX}/9999"),
    get(f"{_INBOX}/0"),
    get(f"{_INBOX}/abc"),
    get(f"{_INBOX}/<<plain>>?unknown=1"),
    get(f"{_WORK}/<<plain>>"),
    get(f"{_INBOX}/<<plain>>/message.eml"),
    get(f"{_INBOX}/<<rich>>/message.eml"),
    get(f"{_INBOX}/9999/message.eml"),
    get(f"{_INBOX}/<<rich>>/attachments/ATT00001"),
    get(f"{_INBOX}/<<rich>>/attachments/ATT00002"),
    get(f"{_INBOX}/<<rich>>/attachments/ATT00003"),
    get(f"{_INBOX}/<<structured>>/attachments/ATT00001"),
    get(f"{_INBOX}/<<structured>>/attachments/ATT00001?sendAsString=true"),
    get(f"{_INBOX}/<<rich>>/attachments/ATT00099"),
    get(f"{_INBOX}/<<rich>>/attachments/nonsense"),
    get(f"{_INBOX}/9999/attachments/ATT00001"),
)

CHANGES: tuple[Call, ...] = (
    put(f"{_INBOX}/<<plain>>", {"seen": False}),
    put(f"{_INBOX}/<<plain>>", {"flagged": True}),
    put(f"{_INBOX}/<<plain>>", {"deleted": True}),
    put(f"{_INBOX}/<<plain>>", {"deleted": False}),
    put(f"{_INBOX}/<<plain>>", {"draft": True}),
    get(f"{_INBOX}/<<plain>>"),
    put(f"{_INBOX}/<<plain>>", {"draft": False}),
    put(f"{_INBOX}/<<plain>>", {"metaData": {"changed": True}}),
    put(f"{_INBOX}/<<plain>>", {"expires": "2036-01-01T00:00:00.000Z"}),
    get(f"{_INBOX}/<<plain>>"),
    put(f"{_INBOX}/<<plain>>", {"expires": False}),
    put(f"{_INBOX}", {"message": "<<plain>>,<<reply>>", "seen": True}),
    put(f"{_INBOX}", {"message": "1:*", "flagged": True}),
    put(f"{_INBOX}", {"message": "1:*", "flagged": False}),
    put(f"{_INBOX}", {"message": "nonsense", "seen": True}),
    put(f"{_INBOX}", {"seen": True}),
    put(f"{_INBOX}/<<plain>>", {}),
    put(f"{_INBOX}/9999", {"seen": True}),
    put(f"{_INBOX}/<<plain>>", {"seen": "perhaps"}),
    put(f"{_INBOX}/<<plain>>", {"unknown": 1}),
    put("/users/<<joe>>/mailboxes/0123456789abcdef01234567/messages/1", {"seen": True}),
    put(f"{_INBOX}/<<plain>>", {"moveTo": "<<work>>"}),
    get(_WORK),
    get(f"{_INBOX}/<<plain>>"),
    put(f"{_WORK}/1", {"moveTo": "<<inbox>>"}),
    put(f"{_INBOX}", {"message": "<<reply>>,<<rich>>", "moveTo": "<<work>>"}),
    put(f"{_WORK}/1:*", {"moveTo": "<<inbox>>"}),
    put(f"{_INBOX}/9999", {"moveTo": "<<work>>"}),
    put(f"{_INBOX}/<<structured>>", {"moveTo": "0123456789abcdef01234567"}),
    put(f"{_INBOX}/<<structured>>", {"moveTo": "short"}),
    get(f"{_INBOX}?order=asc"),
    get("/users/<<joe>>/mailboxes?counters=true&sizes=true"),
    delete(f"{_INBOX}/<<html>>"),
    delete(f"{_INBOX}/<<html>>"),
    delete(f"{_INBOX}/abc"),
    delete("/users/<<joe>>/mailboxes/0123456789abcdef01234567/messages/1"),
    get("/users/<<joe>>/mailboxes/<<inbox>>"),
    delete(f"{_INBOX}?async=true&unknown=1"),
    delete(_INBOX),
    delete("/users/<<joe>>/mailboxes/0123456789abcdef01234567/messages"),
    get(_INBOX),
    post("/users/<<joe>>/quota/reset"),
    get("/users/<<joe>>"),
    post("/users/<<joe>>/mailboxes/<<kept>>/messages", b"", content_type=_RAW),
)

"""Hypothesis strategies for every request value."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from unicodedata import normalize

from hypothesis import strategies as st

from wildduck.imap.grammar import search, search_keys as keys, search_returns, sort
from wildduck.imap.grammar.append import Append, AppendMessage, Options, Text, Url
from wildduck.imap.grammar.contexts import CancelUpdate
from wildduck.imap.grammar.copying import Copy, Move
from wildduck.imap.grammar.cursor import MAX_NUMBER, MAX_NUMBER64
from wildduck.imap.grammar.fetch import (
    ATTRIBUTES,
    Attribute,
    Binary,
    BinarySize,
    Fetch,
    Preview,
    Section,
)
from wildduck.imap.grammar.fetch_modifiers import Modifiers
from wildduck.imap.grammar.flags import SYSTEM_FLAGS
from wildduck.imap.grammar.listing import RETURN_OPTIONS, SELECTION_OPTIONS, List, Lsub, Namespace, Xlist
from wildduck.imap.grammar.mailbox import Check, Close, Unselect
from wildduck.imap.grammar.mailboxes import canonical
from wildduck.imap.grammar.messages import Expunge, Store, UidExpunge
from wildduck.imap.grammar.naming import SPECIAL_USES, Create, Delete, Rename, Subscribe, Unsubscribe
from wildduck.imap.grammar.notify import FILTERS, NAMED, OF_SELECTED, Event, Group, Notify
from wildduck.imap.grammar.partial import PartialRange
from wildduck.imap.grammar.quota import GetQuota, GetQuotaRoot, SetQuota
from wildduck.imap.grammar.replace import Replace
from wildduck.imap.grammar.selection import Examine, QuickResync, Select, SequenceMatch
from wildduck.imap.grammar.sequence import SAVED, STAR, SequenceSet, from_numbers
from wildduck.imap.grammar.session import (
    Capability,
    Compress,
    Enable,
    Id,
    Idle,
    Logout,
    Noop,
    StartTls,
    Unauthenticate,
)
from wildduck.imap.grammar.sign_in import Authenticate, Login
from wildduck.imap.grammar.status import STATUS_ITEMS, Status
from wildduck.imap.grammar.strings import LiteralStart
from wildduck.imap.grammar.url import Access, ImapUrl, Server
from wildduck.imap.grammar.urlauth import BINARY, BODY, STRUCTURE, GenUrlAuth, ResetKey, UrlFetch, Wanted
from wildduck.imap.grammar.values import Command, Request

#: No NUL, which no ordinary literal holds, and no lone surrogate, which is no UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
#: Modified UTF-7 can spell NUL too.
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(canonical)
ATOM_CHARACTERS = "!#$&'+,-./0123456789:;<=>?@ABCDXYZ[^_`abcdxyz|}~"
TAG_CHARACTERS = ATOM_CHARACTERS.replace("+", "") + "]"

tags = st.text(TAG_CHARACTERS, min_size=1, max_size=8).map(str.encode)
#: In NFC; not all that may stand in them, but some of each kind.
unicode_keywords = (
    st.text(
        st.sampled_from(ATOM_CHARACTERS)
        | st.characters(
            min_codepoint=0xA0, exclude_categories=["Cs", "Zl", "Zp"], exclude_characters="\ufeff"
        ),
        min_size=1,
        max_size=12,
    )
    .map(lambda name: normalize("NFC", name))
    .filter(lambda name: len(name.encode()) <= 255)
)
keywords = st.text(ATOM_CHARACTERS, min_size=1, max_size=12) | unicode_keywords
flags = st.lists(st.sampled_from(list(SYSTEM_FLAGS.values())) | keywords, unique=True, max_size=6).map(tuple)
numbers = st.one_of(st.just(STAR), st.integers(1, MAX_NUMBER), st.integers(1, 9))
sequence_sets = st.just(SAVED) | st.builds(
    SequenceSet, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6).map(tuple)
)
known_numbers = st.integers(1, MAX_NUMBER)
known_sets = st.builds(
    SequenceSet, st.lists(st.tuples(known_numbers, known_numbers), min_size=1, max_size=6).map(tuple)
)
modseqs = st.integers(0, MAX_NUMBER64) | st.integers(0, 9)
#: As many UIDs as sequence numbers, both ascending.
sequence_matches = st.lists(st.tuples(known_numbers, known_numbers), min_size=1, max_size=6).map(
    lambda pairs: SequenceMatch(
        from_numbers(number + place for place, number in enumerate(sorted(n % 10**6 + 1 for n, _ in pairs))),
        from_numbers(uid + place for place, uid in enumerate(sorted(n % 10**6 + 1 for _, n in pairs))),
    )
)
resyncs = st.builds(QuickResync, known_numbers, modseqs, st.none() | known_sets, st.none() | sequence_matches)
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
dates = st.datetimes(min_value=datetime(1, 1, 1), timezones=zones).map(
    lambda moment: moment.replace(microsecond=0, fold=0)
)

attributes = st.sampled_from(ATTRIBUTES).map(Attribute)
paths = st.lists(st.integers(1, MAX_NUMBER), max_size=4).map(tuple)
partials = st.none() | st.tuples(st.integers(0, MAX_NUMBER), st.integers(1, MAX_NUMBER))
fields = st.lists(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(str.encode),
    min_size=1,
    max_size=4,
).map(tuple)
plain_sections = st.builds(
    Section, paths, st.sampled_from(["", "HEADER", "TEXT"]), st.just(()), st.booleans(), partials
)
mime_sections = st.builds(Section, paths.filter(bool), st.just("MIME"), st.just(()), st.booleans(), partials)
field_sections = st.builds(
    Section, paths, st.sampled_from(["HEADER.FIELDS", "HEADER.FIELDS.NOT"]), fields, st.booleans(), partials
)
previews = st.booleans().map(Preview)
binaries = st.builds(Binary, paths, st.booleans(), partials) | st.builds(BinarySize, paths)
items = st.one_of(attributes, plain_sections, mime_sections, field_sections, binaries, previews)

partial_ranges = st.builds(
    PartialRange, st.integers(1, MAX_NUMBER), st.integers(1, MAX_NUMBER), st.booleans()
)
mod_sequences = st.integers(0, MAX_NUMBER64)
modifiers = st.builds(Modifiers, st.none() | mod_sequences, st.just(False), st.none() | partial_ranges)
uid_modifiers = modifiers | st.builds(Modifiers, mod_sequences, st.just(True), st.none() | partial_ranges)

id_fields = st.lists(
    st.tuples(
        texts.filter(lambda name: len(name.encode()) <= 30),
        st.none() | texts,
    ),
    max_size=5,
).map(tuple)

texts_sent = st.builds(
    Text, st.builds(LiteralStart, st.integers(0, 50), st.just(False), st.booleans())
) | st.builds(Text, st.builds(LiteralStart, st.integers(0, 50), st.just(False), st.just(True)), st.just(True))
pieces = texts_sent | st.binary(max_size=20).map(lambda data: Url(data.replace(b"\0", b"")))
options = st.builds(Options, flags, st.none() | dates)
append_messages = st.builds(AppendMessage, st.tuples(texts_sent), options) | st.builds(
    AppendMessage, st.lists(pieces, min_size=1, max_size=4).map(tuple), options, st.just(True)
)

#: As clients write them.
given_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["inbox", "Inbox/x"]
)
uses = st.lists(
    st.sampled_from(list(SPECIAL_USES.values())) | st.just("\\X-Own"), unique=True, max_size=3
).map(tuple)
resources = st.text(ATOM_CHARACTERS, min_size=1, max_size=8).map(str.upper)
status_items = st.lists(st.sampled_from(STATUS_ITEMS), min_size=1, unique=True).map(tuple)
references = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)

#: Strings of a command, in whatever charset.
strings = st.binary(max_size=20).map(lambda data: data.replace(b"\0", b""))
#: A metadata item in a MODSEQ.
entries = st.tuples(
    st.text('\\\\"ab ', min_size=1, max_size=6).map(lambda flag: b"/flags/" + flag.encode()),
    st.sampled_from(keys.ENTRY_TYPES),
)
search_leaves: st.SearchStrategy[keys.Key] = st.one_of(
    st.sampled_from(keys.STATES).map(keys.State),
    st.builds(keys.Keyword, st.sampled_from(keys.KEYWORDS), keywords),
    st.builds(keys.Text, st.sampled_from(keys.TEXTS), strings),
    st.builds(keys.Header, strings, strings),
    st.builds(keys.Day, st.sampled_from(keys.DATES), st.dates()),
    st.builds(keys.Size, st.sampled_from(keys.SIZES), st.integers(0, MAX_NUMBER64)),
    st.builds(keys.Age, st.sampled_from(keys.AGES), st.integers(1, MAX_NUMBER)),
    st.builds(keys.Id, st.sampled_from(keys.IDS), st.text("AZaz09_-", min_size=1, max_size=9)),
    st.builds(keys.Modseq, st.integers(0, MAX_NUMBER64), st.none() | entries),
    st.builds(keys.Numbers, sequence_sets, st.booleans()),
)
#: An OR directly within an OR is one of more.
search_keys: st.SearchStrategy[keys.Key] = st.recursive(
    search_leaves,
    lambda inner: st.one_of(
        inner.map(keys.Not),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(keys.And),
        st.lists(inner.filter(lambda key: not isinstance(key, keys.Or)), min_size=2, max_size=3)
        .map(tuple)
        .map(keys.Or),
    ),
    max_leaves=6,
)
returns = st.builds(
    lambda options, partial, fetched: search_returns.Returns(
        options, partial, fetched if "UPDATE" in options else ()
    ),
    st.lists(st.sampled_from(search_returns.OPTIONS), unique=True).map(tuple),
    st.none() | partial_ranges,
    st.just(()) | st.lists(items, min_size=1, max_size=2).map(tuple),
).filter(lambda given: given.partial is None or "ALL" not in given)
searches = st.builds(
    search.Search,
    st.lists(search_keys, min_size=1, max_size=4).map(tuple),
    st.none() | strings,
    st.none() | returns,
    st.booleans(),
)

sorts = st.builds(
    sort.Sort,
    st.lists(
        st.builds(sort.SortKey, st.sampled_from(sort.SORT_KEYS), st.booleans()), min_size=1, max_size=4
    ).map(tuple),
    strings,
    st.lists(search_keys, min_size=1, max_size=2).map(tuple),
    st.none() | returns,
    st.booleans(),
)
threads = st.builds(
    sort.Thread,
    st.sampled_from(sort.ALGORITHMS),
    strings,
    st.lists(search_keys, min_size=1, max_size=2).map(tuple),
    st.booleans(),
)
lists = st.builds(
    List,
    references,
    st.tuples(names),
    st.none()
    | st.frozensets(st.sampled_from(SELECTION_OPTIONS)).map(
        lambda options: options | {"SUBSCRIBED"} if "RECURSIVEMATCH" in options else options
    ),
) | st.builds(
    List,
    references,
    st.lists(names, min_size=1, max_size=3).map(tuple),
    st.none(),
    st.frozensets(st.sampled_from(RETURN_OPTIONS)),
    st.just(()) | status_items,
    st.just(True),
)

message_events = st.builds(
    lambda fetched, *more: (Event("MessageNew", fetched), Event("MessageExpunge"), *more),
    st.just(()) | st.lists(items, min_size=1, max_size=3).map(tuple),
    st.sampled_from([Event("FlagChange"), Event("AnnotationChange")]),
)
other_events = st.lists(
    st.sampled_from(["MailboxName", "SubscriptionChange", "ServerMetadataChange", "X-later"]).map(Event),
    unique=True,
    max_size=3,
).map(tuple)
notify_groups = st.one_of(
    st.builds(
        Group,
        st.sampled_from(NAMED),
        st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
        other_events,
    ),
    st.builds(
        Group,
        st.sampled_from([one for one in FILTERS if one not in (*NAMED, *OF_SELECTED)]),
        st.just(()),
        other_events,
    ),
)
selected_groups = st.builds(Group, st.sampled_from(OF_SELECTED), st.just(()), st.just(()) | message_events)
notifies = st.one_of(
    st.just(Notify()),
    st.builds(
        lambda selected, others, status: Notify((*selected, *others), status),
        st.lists(selected_groups, max_size=1),
        st.lists(notify_groups, min_size=1, max_size=3),
        st.booleans(),
    ),
)

#: In upper case, as they are read.
mechanisms = st.sampled_from(["INTERNAL", "X-SAMPLE.1"])
url_parameters = st.sampled_from(
    [(), (BODY,), (BINARY,), (STRUCTURE,), (STRUCTURE, BODY), (BINARY, STRUCTURE)]
)
urls_wanted = st.builds(Wanted, strings, url_parameters)

#: One for each command or some that are alike.
COMMANDS: list[st.SearchStrategy[Command]] = [
    st.sampled_from([Compress(), Unauthenticate(), Idle()]),
    st.sampled_from([Capability(), Noop(), Logout(), StartTls(), Close(), Unselect(), Check(), Expunge()]),
    st.builds(Id, st.none() | id_fields),
    st.builds(
        Enable,
        st.lists(
            st.text(ATOM_CHARACTERS, min_size=1, max_size=8).map(str.upper), min_size=1, unique=True
        ).map(tuple),
    ),
    st.builds(Login, texts, texts),
    st.builds(
        Authenticate,
        st.text(ATOM_CHARACTERS, min_size=1, max_size=8).map(str.upper),
        st.none() | st.text("ABCxyz019+/=", min_size=1, max_size=12).map(str.encode),
    ),
    st.builds(Select, given_names, st.booleans(), st.none() | resyncs),
    st.builds(Examine, given_names, st.booleans(), st.none() | resyncs),
    lists,
    st.sampled_from([Lsub, Xlist]).flatmap(lambda kind: st.builds(kind, references, names)),
    st.builds(GetQuota, texts),
    st.builds(GetQuotaRoot, names),
    st.builds(SetQuota, texts, st.lists(st.tuples(resources, st.integers(0, MAX_NUMBER64))).map(tuple)),
    st.just(Namespace()),
    st.builds(Create, given_names, st.none() | uses),
    st.sampled_from([Delete, Subscribe, Unsubscribe]).flatmap(lambda kind: st.builds(kind, given_names)),
    st.builds(Rename, given_names, given_names),
    st.builds(Status, names, status_items),
    st.builds(
        Fetch, sequence_sets, st.lists(items, min_size=1, max_size=4).map(tuple), st.just(False), modifiers
    ),
    st.builds(
        Fetch, sequence_sets, st.lists(items, min_size=1, max_size=4).map(tuple), st.just(True), uid_modifiers
    ),
    st.builds(
        Store, sequence_sets, st.sampled_from("+-="), flags, st.booleans(), st.booleans(), st.none() | modseqs
    ),
    st.builds(UidExpunge, sequence_sets),
    st.builds(Copy, sequence_sets, names, st.booleans()),
    st.builds(Move, sequence_sets, names, st.booleans()),
    searches,
    sorts,
    threads,
    st.builds(CancelUpdate, st.lists(tags, min_size=1, max_size=3).map(tuple)),
    notifies,
    st.builds(ResetKey, st.none()),
    st.builds(ResetKey, names, st.lists(mechanisms, max_size=2).map(tuple)),
    st.builds(GenUrlAuth, st.lists(st.tuples(strings, mechanisms), min_size=1, max_size=3).map(tuple)),
    st.builds(UrlFetch, st.lists(urls_wanted, min_size=1, max_size=3).map(tuple)),
]
commands = st.one_of(COMMANDS)
requests = st.builds(Request, tags, commands)
append_requests = st.builds(
    Request,
    tags,
    st.builds(Append, names, st.lists(append_messages, min_size=1, max_size=3).map(tuple)),
)
replace_requests = st.builds(
    Request,
    tags,
    st.builds(Replace, st.just(STAR) | st.integers(1, MAX_NUMBER), names, append_messages, st.booleans()),
)
#: Of every command that there is.
any_requests = requests | append_requests | replace_requests

#: Lower case, as a URL's are read.
applications = st.text("abcxyz019", min_size=1, max_size=8)
users = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
servers = st.builds(
    Server,
    st.sampled_from(["example.com", "127.0.0.1", "[::1]", "a_b!$'()*+,&=%41"]),
    users,
    st.sampled_from(["", "*", "PLAIN", "X;Y"]),
    st.none() | st.integers(0, 65535),
)
sections = st.sampled_from([b"", b"HEADER", b"TEXT", b"1", b"1.2.MIME", b'HEADER.FIELDS (TO "C c")'])
ranges = st.tuples(st.integers(0, MAX_NUMBER), st.none() | st.integers(1, MAX_NUMBER))
tokens = st.text("0123456789abcdef", min_size=32, max_size=70)
url_parts = {
    "uid": st.integers(1, MAX_NUMBER),
    "uid_validity": st.none() | st.integers(1, MAX_NUMBER),
    "section": sections,
    "partial": st.none() | ranges,
    "expire": st.none() | dates,
    "access": st.builds(Access, applications, st.just("") | users),
}
path_names = names.map(lambda name: name.replace("\0", "")).filter(bool)
#: Each kind of URL: to be authorized or not, absolute or not.
urls = st.one_of(
    st.builds(ImapUrl, path_names, server=servers, **url_parts, mechanism=st.just("INTERNAL"), token=tokens),
    st.builds(ImapUrl, path_names, server=st.none() | servers, **url_parts),
    st.builds(ImapUrl, path_names, **{**url_parts, "expire": st.none(), "access": st.none()}),
    st.builds(ImapUrl, st.none(), **{**url_parts, "uid_validity": st.none()}),
)

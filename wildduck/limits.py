"""
Every bound of the server that is not a setting, each with its reason.

Sizes are bytes, times are seconds, unless a name says otherwise.  Bounds that
an operator may want to change are settings (L{wildduck.config}) and have
their defaults there.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# --- MIME (store.md §7, anchors/reliability.md §4.2) ---------------------------

#: Nesting of MIME parts.  mongod refuses documents deeper than 180 levels (87
#: nested childNodes pass); deeper parts become one opaque leaf.
MIME_DEPTH = 50

#: Parts in one message; what follows the last one becomes part of its body.
MIME_PARTS = 10_000

#: Parts of the message/global within a message that FETCH looks into, of all of them together.
ENCLOSED_PARTS = 1_000

#: Header bytes of one message kept in the tree; beyond it the header is kept
#: in the exact bytes only, so that a document stays far below 16 MiB.
HEADER_BYTES = 1 * MIB

#: Inline text of one message in the document; further parts go to GridFS.
INLINE_TEXT_BYTES = 1 * MIB

#: One inline text part (WildDuck's rule, spec/schema.md 'External storage').
INLINE_PART_BYTES = 300 * KIB

#: A message document, so that additions of ours and WildDuck's fit below 16 MiB.
DOCUMENT_BYTES = 8 * MIB

#: Addresses taken from one message; further ones stay in the raw header.
ADDRESSES = 10_000

#: Parameters of one header field (RFC 2231 continuations counted one by one).
PARAMETERS = 64

#: Ready ENVELOPE, BODY or BODYSTRUCTURE bytes kept beside a message.
READY_BYTES = 256 * KIB

#: The skeleton of a message (all outside its stored bodies) is kept in the
#: document up to this, else as a blob; the blob is read whole up to the second.
SKELETON_BYTES = 256 * KIB
SKELETON_READ_BYTES = 4 * MIB

#: RFC 5322 line length bound does not hold for hostile mail; this is the
#: length of a MIME boundary (RFC 2046 §5.1.1 allows 70) that is still matched.
BOUNDARY_BYTES = 1000

#: Bytes of a message held in memory; a longer one is spooled to a file.
SPOOL_BYTES = 1 * MIB

# --- text copies (spec/schema.md 'messages', spec/config.md 'Constants') -------

#: Indexed prefix of the plain text, then the whole kept plain text, then HTML.
TEXT_INDEXED = 1 * KIB
TEXT_KEPT = 100 * KIB
HTML_KEPT = 640 * KIB
#: HTML beyond this is not converted to text.
HTML_CONVERTED = 2 * MIB
#: Characters of the preview text.
INTRO_LENGTH = 128

# --- storage -------------------------------------------------------------------

#: GridFS chunk (MongoDB's default, and WildDuck's).
CHUNK_BYTES = 255 * KIB

#: UIDs are nz-number: 32 bits (RFC 3501 §2.3.1.1).
MAX_UID = 2**32 - 1

#: A hole in the MODSEQ sequence is passed after this time (store.md §2 'H');
#: a writer throws an allocated UID or MODSEQ away after half of it.
MODSEQ_HOLE_SECONDS = 10.0

#: Rows of one batch in a STORE, EXPUNGE or a catch-up read.
BATCH_ROWS = 1000

#: Bytes of documents that COPY or MOVE writes at once: it is done long before H / 2
#: (store.md §2).
COPY_BATCH_BYTES = 16 * MIB
#: Bytes of the documents of messages that come together, which are held and written at once.
APPEND_DOCUMENTS_BYTES = 16 * MIB

#: Indexes of mailboxes that no session has open, kept for the next one, all
#: together (30 bytes a message).
INDEX_BYTES = 64 * MIB
#: Events kept for a session that does not read them (it is slow); beyond it
#: that session compares what it knows with what is there.
INDEX_LOG_EVENTS = 20_000
#: Numbers of the journal that are looked through for what has gone since a
#: client left (some 50 ms); one that was away for more is told of all that is
#: not there (RFC 7162 §3.2.6).
VANISHED_MODSEQS = 10_000
#: All mailboxes open in a worker are asked this often whether a ping was lost.
POLL_SECONDS = 30.0

#: Messages that a search reads without looking for an index of their words, and that
#: make it worth while to write one.
TEXT_INDEX_WORTH = 64
#: Bytes of a segment, and of those that are merged: a document has at most 16 MiB.
TEXT_INDEX_SEGMENT = 8 * MIB
#: Bytes of text, and of different words, of one message that is indexed; with more of them
#: it is read by every search.
TEXT_INDEX_TEXT = 1 * MIB
TEXT_INDEX_WORDS = 256 * KIB
#: Segments that one worker keeps, all mailboxes together.
TEXT_INDEX_CACHE = 32 * MIB
#: Mailboxes whose arrivals a worker counts for the index, and messages that it indexes at a stretch.
TEXT_INDEX_NOTED = 10_000
TEXT_INDEX_RUN = 20_000

#: Custom keywords remembered for a mailbox, system flags included (WildDuck).
MAILBOX_FLAGS = 100
#: Flags of one message: a worker holds those of all messages that are open in it.
MESSAGE_FLAGS = 500
#: Length of one keyword (WildDuck: STORE refuses longer ones).
KEYWORD_BYTES = 255

#: Mailbox names: levels, characters of one level.
MAILBOX_DEPTH = 128
MAILBOX_SEGMENT = 512
MAILBOXES = 1500
#: Subscribed names of each account that no mailbox has, and characters of one.
SUBSCRIPTIONS = 1000
SUBSCRIBED_NAME = 1000
#: Mailboxes whose counts one worker keeps.
COUNTED_MAILBOXES = 20_000
#: Names of deleted and renamed mailboxes whose uidvalidity is noted, of each
#: account: 30 KiB at most.
RETIRED_NAMES = 500
#: Renaming again when another change of names came in between.
RENAME_ATTEMPTS = 5

# --- IMAP (anchors/reliability.md §4.2) ----------------------------------------

#: One command line without its literals, after and before sign-in.
IMAP_LINE = 64 * KIB
IMAP_LINE_BEFORE_LOGIN = 8 * KIB
#: One literal outside APPEND; the sum of all in one command; their number.
IMAP_LITERAL = 128 * KIB
IMAP_LITERALS_SUM = 1 * MIB
IMAP_LITERALS_COUNT = 1000
#: All literals of one command before sign-in; also LITERAL-'s bound.
IMAP_LITERAL_BEFORE_LOGIN = 4 * KIB
#: Nested parentheses (and NOT, OR) in one command.
IMAP_NESTING = 32
#: Flags, special uses, items to fetch, names of header fields or of extensions, patterns,
#: options: so many of each in the lists of one command, those that come twice included.
#: To read a line full of them would take up to 100 ms.
IMAP_LIST = 1000
#: Keys of one SEARCH, those that hold others included: each costs a look at the
#: whole mailbox, or at the text of every message.
IMAP_SEARCH_KEYS = 1000
#: A refused non-synchronizing literal up to this many bytes is skipped and
#: answered; a longer one ends the connection with BYE.
IMAP_SKIPPED_LITERAL = 64 * MIB
#: The same before sign-in, overlong lines included.
IMAP_SKIPPED_BEFORE_LOGIN = 1 * MIB
#: Numbers in the name of a part, as in BODY[1.2.3] (MIME_DEPTH is less).
IMAP_SECTION_DEPTH = 100
#: Characters of a LIST pattern; the work for one mailbox name grows with both.  A longer one matches nothing.
IMAP_PATTERN = 1000
#: Patterns of one LIST (RFC 5258): each is matched against every name.
IMAP_PATTERNS = 100
#: Groups of one NOTIFY (RFC 5465), and mailboxes of an account of which changes are told.
IMAP_NOTIFY_GROUPS = 100
IMAP_NOTIFY_MAILBOXES = 5000
#: Malformed commands before BYE, before and after sign-in.
IMAP_BAD_BEFORE_LOGIN = 3
IMAP_BAD_COMMANDS = 20
#: Bytes of pipelined commands held while one runs; beyond it the transport is paused.
IMAP_READ_AHEAD = 128 * KIB
#: Pipelined commands begun in one go, before other connections have their turn.
IMAP_PIPELINE = 100
#: Time without a byte: signed in (RFC 9051 §5.4 demands 30 minutes), before.
IMAP_IDLE_SECONDS = 30 * 60.0
IMAP_LOGIN_SECONDS = 60.0
#: From the greeting to sign-in, whatever is sent meanwhile: NOOPs keep no place.
IMAP_LOGIN_TOTAL_SECONDS = 180.0
#: While a command is at work its client is told so this often: the shortest
#: patience that is in use is mbsync's 20 seconds.
IMAP_WORKING_SECONDS = 10.0
#: While a client waits for news (IDLE) it is told that we are there, so that
#: address translators on the way keep the connection (RFC 5382 REQ-5: they may
#: forget it after 124 minutes; many do after a few).
IMAP_STILL_HERE_SECONDS = 120.0
#: Sequence set: ranges in one command.
IMAP_SET_RANGES = 100_000
#: Searches that a session has kept up to date (RFC 5267), the messages found by those in
#: the order of the mailbox (4 bytes each), and by the sorted ones (some 500 bytes each).
IMAP_CONTEXTS = 10
IMAP_CONTEXT_MESSAGES = 1_000_000
IMAP_SORTED_CONTEXT_MESSAGES = 10_000
#: Tags in one CANCELUPDATE.
IMAP_CANCELLED_CONTEXTS = 1000
#: Keys of one SORT, those that come twice included.
IMAP_SORT_KEYS = 32
#: Messages that a session keeps as the result of a search (RFC 5182): 2 MB.
IMAP_SAVED_MESSAGES = 500_000
#: Messages of one APPEND; pieces of one message that is put together by CATENATE:
#: each can be a look into the database.
IMAP_APPEND_MESSAGES = 1000
IMAP_CATENATE_PIECES = 1000
#: URLs of one GENURLAUTH or URLFETCH: each is some looks into the database.
IMAP_URLS = 100
#: Messages of one APPEND together, unless a single one may be longer: they are stored at once.
IMAP_APPEND_BYTES = 64 * MIB

# --- POP3 ----------------------------------------------------------------------

#: One command line (RFC 2449 §4 asks for 255): AUTH with the longest initial
#: response that is decoded, or PASS with the longest password.
POP3_LINE = 5 * KIB
#: Bad commands one after the other before the end, before and after sign-in.
POP3_BAD_BEFORE_LOGIN = 3
POP3_BAD_COMMANDS = 20
#: Pipelined commands followed in one go, before other connections have their turn.
POP3_PIPELINE = 100
#: Time without a byte: signed in (RFC 1939 §3 demands 10 minutes), before.
POP3_IDLE_SECONDS = 10 * 60.0
POP3_LOGIN_SECONDS = 60.0
#: From the greeting to sign-in, whatever is sent meanwhile.
POP3_LOGIN_TOTAL_SECONDS = 180.0

# --- LMTP ----------------------------------------------------------------------

#: One command line (RFC 5321 §4.5.3.1.4 asks for 512; extensions for more).
LMTP_LINE = 4 * KIB
#: Recipients of one transaction (RFC 5321 §4.5.3.1.8 asks for 100).
LMTP_RECIPIENTS = 1000
#: Time without a byte (RFC 5321 §4.5.3.2.7: 5 minutes).
LMTP_IDLE_SECONDS = 300.0
#: Bad commands before 421.
LMTP_BAD_COMMANDS = 20
#: Pipelined commands followed in one go, before other connections have their turn.
LMTP_PIPELINE = 100
#: Deliveries to one account at a time in one worker.
LMTP_USER_CONCURRENCY = 10
#: Further ones that wait for their turn; the sender of one more tries again later.
LMTP_USER_WAITING = 200

# --- searches ------------------------------------------------------------------

#: Message-IDs that one message follows, the nearest, and those of all messages of a
#: THREAD together (some 100 bytes each); beyond it one of each message.
THREAD_REFERENCES_EACH = 100
THREAD_REFERENCES = 1_000_000

# --- connections ---------------------------------------------------------------

#: Bytes written and not yet taken by the peer before a producer is paused.
WRITE_BUFFER = 256 * KIB
#: Bytes read from a client whose earlier command is still at work, before
#: reading stops.
READ_AHEAD = 64 * KIB
#: Most bytes that compressed input is made to at once.
INFLATED_PIECE = 64 * KIB
#: A peer that takes nothing for this long is cut off.
WRITE_STALL_SECONDS = 180.0
#: A connection that we close: how long the peer may take to read our last
#: lines without taking any byte of them, and to close its side.
CLOSE_SECONDS = 30.0
#: The same while the server shuts down.
DRAIN_CLOSE_SECONDS = 3.0
#: PROXY protocol header must arrive within, and be no longer than.
PROXY_SECONDS = 10.0
PROXY_BYTES = 4096 + 16
#: TLS handshake deadline.
TLS_HANDSHAKE_SECONDS = 30.0

# --- API -----------------------------------------------------------------------

#: Body of an API request that carries no message.
API_BODY = 1 * MIB

#: Addresses of one header field, message ids of References, and attachments of one message
#: that a list of messages shows: 250 hostile messages would take seconds and 100 MB.
LISTED_ADDRESSES = 100
LISTED_REFERENCES = 100
LISTED_ATTACHMENTS = 100

#: Bytes of metaData and headers on one page of a list, which ends early then.
LISTED_BYTES = 1 * MIB

#: Streams of updates: of one account, and of all, in one worker.
UPDATE_READERS_PER_ACCOUNT = 30
UPDATE_READERS = 2_000
#: A stream without news says that it is there, and looks whether a ping was lost;
#: it ends after so long, and the client comes again (WildDuck's times).
UPDATES_IDLE_SECONDS = 15.0
UPDATES_SECONDS = 30 * 60.0
#: Journal entries read at once for a stream, and ids of those sent lately that it
#: remembers: of the last ten seconds, 2 MiB at most.
UPDATES_BATCH = 200
UPDATES_REMEMBERED = 20_000
#: A client is told where it is in the journal at least so often, so that one that had no
#: news for hours can go on from there.
UPDATES_PLACE_SECONDS = 10 * 60.0

#: Connections beyond the API's bounds that get an answer; further ones are closed at once.
API_REFUSED_CONNECTIONS = 100
#: Bytes of the bodies over L{API_BODY} of all requests at work: each has a temporary file, and
#: is in memory while it is taken apart, in up to three copies.
API_BIG_BODIES = 512 * MIB

#: A JSON body of up to so many bytes is taken apart at once, a longer one in steps.
API_JSON_AT_ONCE = 64 * KIB
#: Values of a longer one, each of which takes some 100 bytes; and levels.
API_JSON_VALUES = 200_000
API_JSON_DEPTH = 200

#: A request is complete after so many seconds, and one for each so many bytes of it.
API_REQUEST_SECONDS = 60.0
API_REQUEST_RATE = 16 * KIB

#: For so long what a client sends after a refusal is read away, so that it can read the answer.
API_LINGER_SECONDS = 2.0

#: Levels of metaData and internalData.  Answers are indented: a megabyte of deep levels
#: would be hundreds of them.
META_LEVELS = 20
#: Answers over this are not indented.
API_INDENTED = 1 * MIB

#: Characters of one level of an API path that is a parameter (WildDuck's router has the same).
API_PATH_PARAMETER = 196

# --- work ----------------------------------------------------------------------

#: One database operation in a request path; half of MODSEQ_HOLE_SECONDS.
OPERATION_SECONDS = 5.0
#: A slow one: a scan, a search, a collector's step.
SLOW_OPERATION_SECONDS = 60.0
#: One Redis operation.
REDIS_SECONDS = 3.0
#: Sign-ins that may wait for a thread that hashes passwords.
PASSWORD_QUEUE = 200
#: Big messages that may wait for a thread that scans and converts them.
MIME_QUEUE = 100
#: Operations waiting for a database connection before new ones are refused.
DATABASE_QUEUE = 10_000
#: Drain: connections that have not ended by then are cut (systemd's default
#: stop time-out is 90 s).
DRAIN_SECONDS = 25.0

#: Mailboxes whose place is remembered from one message to the next: how many of
#: an account, of how many accounts (some 2 KB for each), and for how long.
REMEMBERED_MAILBOXES = 8
REMEMBERED_ACCOUNTS = 2000
REMEMBERED_SECONDS = 30.0

#: Addresses of which a worker remembers where they led (some 300 bytes each).
REMEMBERED_ADDRESSES = 10_000

#: Mailboxes whose counters are remembered from one message to the next (some 3 KB each).
EXPECTED_MAILBOXES = 2000

# --- database connections ------------------------------------------------------

#: Connections for writes that wait for the majority and the journal: such a
#: write holds its connection for a millisecond or more, and what is behind it.
DURABLE_CONNECTIONS = 4
#: Commands on their way on one connection; mongod answers them one by one, so
#: more only move the queue to where it can't be refused.
QUICK_PIPELINE = 32
DURABLE_PIPELINE = 16
SLOW_PIPELINE = 1
#: Bytes on their way on one connection before further commands wait.
PIPELINE_BYTES = 16 * MIB
#: An operation waits this long for a lost connection to come back; when it has
#: been gone for longer, operations fail at once.
RECONNECT_SECONDS = 2.0
#: Pause before an operation is repeated after its connection was lost.
REPEAT_PAUSE_SECONDS = 0.05
#: Pause between two attempts to connect.
RECONNECT_PAUSE_SECONDS = 0.3
#: The same after the server has refused our name and password.
REFUSED_PAUSE_SECONDS = 10.0
#: Sign of life asked of each MongoDB server, and time it has for the answer.
MONGO_PING_SECONDS = 2.0
#: First contact with each database at start-up.
START_SECONDS = 10.0
#: Building one index on a large collection.
INDEX_SECONDS = 6 * 3600.0
#: Grouping all messages, for the verifier.
GROUPING_SECONDS = 6 * 3600.0
#: One write command (mongod takes 48,000,000 bytes; its frame needs some).
COMMAND_BYTES = 44 * MIB
#: One document as mongod takes it.
BSON_BYTES = 16 * MIB
#: GridFS chunks of one read and of one write command: what a stream holds.
CHUNKS_READ = 4
CHUNKS_WRITTEN = 16
#: Pieces of work that wait to be done a while later; what is over this is left to the verifier.
LATER_WORKS = 1_000
#: Accounts whose ping could not be sent, and is when Redis is back.
UNSENT_PINGS = 5_000
#: Sign of life asked of Redis.
REDIS_PING_SECONDS = 3.0
#: Redis commands waiting for their answers before new ones are refused.
REDIS_QUEUE = 10_000

# --- accounts ------------------------------------------------------------------

#: Hashes of former passwords kept with an account: a document must not grow with
#: every change (WildDuck keeps all).
OLD_PASSWORDS = 50
#: Seconds for which a password that was right is not hashed again, and how many are known at a time.
VERIFIED_SECONDS = 120.0
VERIFIED_PASSWORDS = 10_000
#: The service that knows breached passwords: time for its answer (WildDuck's), and
#: its length (40 KiB are usual).
PWNED_SECONDS = 1.0
PWNED_BYTES = 1 * MIB

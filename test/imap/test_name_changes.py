"""Tests for L{wildduck.imap.name_changes} and L{wildduck.imap.interests}."""

from __future__ import annotations

from bson import ObjectId
from twisted.trial.unittest import SynchronousTestCase

from wildduck.imap.grammar.notify import Event, Group
from wildduck.imap.interests import Interests
from wildduck.imap.name_changes import name_changes
from wildduck.mailstore.values import Mailbox

USER = ObjectId()
_IDS: dict[str, ObjectId] = {}


def mailboxes(**paths: str) -> dict[ObjectId, Mailbox]:
    """By a name for the mailbox whatever it is called: its path, with C{-} in front when not subscribed."""
    found = {}
    for name, path in paths.items():
        id = _IDS.setdefault(name, ObjectId())
        found[id] = Mailbox(id, USER, path.lstrip("-"), subscribed=not path.startswith("-"))
    return found


def interests(*groups: Group) -> Interests:
    return Interests(groups or [group("PERSONAL")])


def group(filter: str, *names: str, events: tuple[str, ...] = ("MailboxName", "SubscriptionChange")) -> Group:
    return Group(filter, names, tuple(map(Event, events)))


class NameChangeTests(SynchronousTestCase):
    def told(
        self,
        before: dict[ObjectId, Mailbox],
        after: dict[ObjectId, Mailbox],
        wanted: Interests | None = None,
        own: frozenset[str] = frozenset(),
    ) -> list[str]:
        changes = name_changes(wanted or interests(), before, after, own)
        return [response.compose().decode().removeprefix("* LIST ").rstrip() for response in changes]

    def test_nothing(self) -> None:
        """Mailboxes that are as they were are not told of."""
        self.assertEqual(self.told(mailboxes(a="a", b="b/c"), mailboxes(a="a", b="b/c")), [])

    def test_parent(self) -> None:
        """With a mailbox that is made or deleted goes the name right above it (RFC 5465 §5.4)."""
        before, after = mailboxes(a="a"), mailboxes(a="a", b="a/b")
        child, parent = '(\\HasNoChildren \\Subscribed) "/" a/b', '(\\HasChildren \\Subscribed) "/" a'
        self.assertEqual(self.told(before, after), [parent, child])
        gone, alone = '(\\NonExistent) "/" a/b', '(\\HasNoChildren \\Subscribed) "/" a'
        self.assertEqual(self.told(after, before), [alone, gone])
        self.assertEqual(
            self.told({}, mailboxes(b="x/y")),
            ['(\\NonExistent \\HasChildren) "/" x', '(\\HasNoChildren \\Subscribed) "/" x/y'],
        )

    def test_rename(self) -> None:
        """Of what lies under a renamed mailbox nothing is told; what moves by itself is (RFC 5465 §5.4)."""
        before = mailboxes(a="a", b="a/b", c="a/b/c", d="d")
        after = mailboxes(a="z", b="z/b", c="z/other", d="d")
        self.assertEqual(
            self.told(before, after),
            [
                '(\\HasChildren \\Subscribed) "/" z ("OLDNAME" (a))',
                '(\\HasNoChildren \\Subscribed) "/" z/other ("OLDNAME" (a/b/c))',
            ],
        )

    def test_deleted_and_made(self) -> None:
        """A name that another mailbox has now is not gone."""
        self.assertEqual(
            self.told(mailboxes(a="a"), mailboxes(b="a")), ['(\\HasNoChildren \\Subscribed) "/" a']
        )

    def test_own(self) -> None:
        """What the client has done itself is left out, and nothing else."""
        before, after = mailboxes(a="a"), mailboxes(a="a", b="b", c="c")
        self.assertEqual(
            self.told(before, after, own=frozenset(["b"])), ['(\\HasNoChildren \\Subscribed) "/" c']
        )

    def test_subscription(self) -> None:
        """Who wants to know of subscriptions need not want names, and the other way round."""
        before, after = mailboxes(a="a", b="b"), mailboxes(a="-a", b="b", c="c")
        only = interests(group("PERSONAL", events=("SubscriptionChange",)))
        self.assertEqual(self.told(before, after, only), ['(\\HasNoChildren) "/" a'])
        only = interests(group("PERSONAL", events=("MailboxName",)))
        self.assertEqual(self.told(before, after, only), ['(\\HasNoChildren \\Subscribed) "/" c'])

    def test_which(self) -> None:
        """Only of what was asked for, by its name before or after."""
        before, after = mailboxes(a="a", b="b", c="c/d"), mailboxes(a="-a", b="x", c="c/e", d="c/f")
        told = self.told(before, after, interests(group("MAILBOXES", "b")))
        self.assertEqual(told, ['(\\HasNoChildren \\Subscribed) "/" x ("OLDNAME" (b))'])
        told = self.told(before, after, interests(group("SUBTREE", "c")))
        self.assertEqual(
            told,
            [
                '(\\NonExistent \\HasChildren) "/" c',
                '(\\HasNoChildren \\Subscribed) "/" c/e ("OLDNAME" (c/d))',
                '(\\HasNoChildren \\Subscribed) "/" c/f',
            ],
        )
        self.assertEqual(
            self.told(before, after, interests(group("SUBSCRIBED", events=("SubscriptionChange",)))),
            ['(\\HasNoChildren) "/" a'],
        )


class InterestTests(SynchronousTestCase):
    MESSAGES = ("MessageNew", "MessageExpunge")

    def test_groups(self) -> None:
        """What several groups want of one mailbox is wanted together (RFC 5465 §6)."""
        wanted = interests(
            group("MAILBOXES", "INBOX", events=self.MESSAGES),
            group("PERSONAL", events=("SubscriptionChange",)),
            group("SUBTREE", "a/b", events=("MailboxName",)),
        )
        self.assertEqual(wanted.of("INBOX", True), {*self.MESSAGES, "SubscriptionChange"})
        self.assertEqual(wanted.of_messages("INBOX", True), set(self.MESSAGES))
        self.assertEqual(wanted.of("a/b", False), {"SubscriptionChange", "MailboxName"})
        self.assertEqual(wanted.of("a/b/c", False), {"SubscriptionChange", "MailboxName"})
        self.assertEqual(wanted.of("a/bc", False), {"SubscriptionChange"})
        self.assertEqual(wanted.of_selected, set())

    def test_selected(self) -> None:
        """The selected mailbox has wants of its own."""
        wanted = interests(group("SELECTED-DELAYED", events=self.MESSAGES), group("PERSONAL", events=()))
        self.assertEqual(wanted.of_selected, set(self.MESSAGES))
        self.assertFalse(wanted.at_once)
        self.assertFalse(wanted.any_others)
        self.assertTrue(interests(group("SELECTED", events=self.MESSAGES)).at_once)

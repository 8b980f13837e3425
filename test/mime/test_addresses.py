"""Tests for address lists."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck import limits
from wildduck.mime import addresses
from wildduck.mime.addresses import Group, Mailbox


def plain(value: str) -> list[tuple[str, str]]:
    """(name, address) of a list without groups."""
    return [(entry["name"], entry["address"]) for entry in addresses.parse(value)]


class MailboxTests(unittest.TestCase):
    """Single addresses, right and wrong."""

    def test_right(self) -> None:
        """All that RFC 5322 allows, the obsolete forms too."""
        for value, expected in (
            ("a@b", [("", "a@b")]),
            ("<a@b>", [("", "a@b")]),
            ("A B <a@b>", [("A B", "a@b")]),
            ('"A, B" <a@b>, c@d', [("A, B", "a@b"), ("", "c@d")]),
            ('"A \\"q\\" \\\\" <a@b>', [('A "q" \\', "a@b")]),
            ('A "B" C <a@b>', [("A B C", "a@b")]),
            ('"a b"@c.d', [("", '"a b"@c.d')]),
            ("a@[127.0.0.1]", [("", "a@[127.0.0.1]")]),
            ("Dr. Who <who@tardis>", [("Dr. Who", "who@tardis")]),
            ("J\xf6rg <j@\xe4.example>", [("J\xf6rg", "j@\xe4.example")]),
            ("=?utf-8?q?A=2C_B?= <a@b>", [("=?utf-8?q?A=2C_B?=", "a@b")]),
            ("a@b,\r\n c@d", [("", "a@b"), ("", "c@d")]),
            ("a . b @ c . d", [("", "a.b@c.d")]),
            ("a(c)@(d)b", [("c d", "a@b")]),
            ("<@one,@two:a@b>", [("", "a@b")]),
            ("<@one,,@two:a@b>, c@d", [("", "a@b"), ("", "c@d")]),
            (",a@b,,", [("", "a@b")]),
        ):
            self.assertEqual(plain(value), expected)

    def test_comments(self) -> None:
        """A comment is the name where there is no other; comments nest."""
        for value, expected in (
            ("a@b (Real Name)", [("Real Name", "a@b")]),
            ("(Real Name) a@b", [("Real Name", "a@b")]),
            ("A (x) B <a@b> (y)", [("A B", "a@b")]),
            ("a@b (a (b) c)", [("a (b) c", "a@b")]),
            ("a@b (a \\) b)", [("a ) b", "a@b")]),
            ("(nobody here)", [("nobody here", "")]),
            ("a@b, (nobody)", [("", "a@b")]),
        ):
            self.assertEqual(plain(value), expected)

    def test_wrong(self) -> None:
        """What programs send that do not know the RFC: the address is found, nothing is invented."""
        for value, expected in (
            ("Doe, John <j@d>", [("Doe, John", "j@d")]),
            ('x@y, Doe, "John", Jr. <j@d>', [("", "x@y"), ("Doe, John, Jr.", "j@d")]),
            ("Doe, <j@d>", [("Doe", ""), ("", "j@d")]),
            ("Doe, j@d", [("Doe", ""), ("", "j@d")]),
            ("A B", [("A B", "")]),
            ("a@x <b@y>", [("a@x", "b@y")]),
            ("a@b <a@b>", [("", "a@b")]),
            ("a@b; c@d", [("", "a@b"), ("", "c@d")]),
            ("<a@b", [("", "a@b")]),
            ("<a@b, c@d", [("", "a@b"), ("", "c@d")]),
            ("a@b>", [("", "a@b")]),
            ("<<a@b>>", [("", "a@b")]),
            ('"open <a@b>', [("open", "a@b")]),
            ("(open a@b", [("open", "a@b")]),
            ("a@b (open", [("open", "a@b")]),
            ("a@b@c", [("", "a@b@c")]),
            ("A <a@b> B <c@d>", [("A B c@d", "a@b")]),
            ("A <>", [("A", "")]),
            ("@b", [("", "@b")]),
            ("a@", [("", "a@")]),
            ("\\", [("", "")]),
            ('\\"a <a@b>', [('"a', "a@b")]),
            ("a@xn--0", [("", "a@xn--0")]),
        ):
            self.assertEqual(plain(value), expected)

    def test_nothing(self) -> None:
        """Separators alone are no address."""
        for value in ("", " ", ",,", ";", "()", "(", '"', "\r\n ", ">", ")"):
            self.assertEqual(addresses.parse(value), [])

    def test_parts(self) -> None:
        """For IMAP the local part is free of quoting, and the route stands apart."""
        (found,) = addresses.scan('A <@r:"a \\"b"@c>')
        assert isinstance(found, Mailbox)
        self.assertEqual(
            (found.mailbox, found.local, found.domain, found.route), ('a "b', '"a \\"b"', "c", "@r")
        )


class GroupTests(unittest.TestCase):
    """RFC 5322 §3.4 groups."""

    def test_groups(self) -> None:
        """A group has a name and members, be it closed or not; groups do not nest."""
        empty: list[object] = []
        a, c = {"address": "a@b", "name": ""}, {"address": "c@d", "name": "C"}
        for value, expected in (
            ("G:;", [{"name": "G", "group": empty}]),
            (":;", [{"name": "", "group": empty}]),
            ("undisclosed recipients: ;", [{"name": "undisclosed recipients", "group": empty}]),
            ("G: a@b, C <c@d>;", [{"name": "G", "group": [a, c]}]),
            ('"G, H": a@b', [{"name": "G, H", "group": [a]}]),
            ("G: a@b; C <c@d>", [{"name": "G", "group": [a]}, c]),
            ("G: a@b;, H: C <c@d>;", [{"name": "G", "group": [a]}, {"name": "H", "group": [c]}]),
            ("G: Doe, C <c@d>;", [{"name": "G", "group": [{"address": "c@d", "name": "Doe, C"}]}]),
            ("G: H: a@b;;", [{"name": "G", "group": [a]}]),
        ):
            self.assertEqual(addresses.parse(value), expected)


class BoundTests(unittest.TestCase):
    """Hostile lists cost no more than others."""

    def test_count(self) -> None:
        """Of half a million addresses only so many are taken, members of groups counted."""
        many = ",".join(f"a{number}@b" for number in range(500_000))
        self.assertEqual(len(addresses.scan(many)), limits.ADDRESSES)
        self.assertEqual(len(addresses.scan(many, 3)), 3)
        (group,) = addresses.scan(f"G: {many}", 5)
        assert isinstance(group, Group)
        self.assertEqual(len(group.members), 4)

    def test_depth(self) -> None:
        """Comments as deep as the header is long are one comment, or none."""
        self.assertEqual(addresses.parse("(" * 100_000), [])
        self.assertEqual(plain("(" * 1000 + ")" * 1000 + "a@b")[0][1], "a@b")

    @by_chance(170)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from(list('<>@,;:()[]"\\. \t\r\n') + ["a", "=?", "\r\n "]), st.text(max_size=2)
            ),
            max_size=40,
        ).map("".join)
    )
    def test_anything(self, value: str) -> None:
        """Any text gives a list of mailboxes and groups."""
        for entry in addresses.parse(value):
            self.assertIn("group" if "group" in entry else "address", entry)
        addresses.scan(value)

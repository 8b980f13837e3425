"""Addresses of accounts and forwarded ones, on a real database."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred, DeferredList

from test.accounts.test_accounts import AccountsCase
from wildduck import errors
from wildduck.accounts.address_register import AddressRegister
from wildduck.accounts.domain_renaming import Renamed, domain_name, rename_domain
from wildduck.accounts.stored import beginning, containing, ending, meta_text, meta_value, tag_fields
from wildduck.accounts.targets import Target, stored_targets
from wildduck.limits import META_LEVELS


class AddressCase(AccountsCase):
    """Two accounts: C{user} has C{user@example.com}, C{other} has nothing."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.user = (await self.accounts.create("user", "secret", addresses=["user@example.com"])).id
        self.other = (await self.accounts.create("other", "secret")).id
        self.book = self.accounts.book
        self.forwarded = self.accounts.forwarded

    def default(self, user: ObjectId) -> Any:
        row = self.raw.users.find_one({"_id": user})
        assert row
        return row["address"]

    def row(self, id: ObjectId) -> dict[str, Any]:
        row = self.raw.addresses.find_one({"_id": id})
        assert row
        return row


class AddTests(AddressCase):
    async def test_everything(self) -> None:
        """The row is WildDuck's, field by field."""
        added = await self.book.add(
            self.user,
            "First.Last@Bücher.Example",
            name="A Name",
            tags=["b", " A ", "B", ""],
            meta_data={"ö": [1]},
            internal_data={},
        )
        row = self.row(added.id)
        created = row.pop("created")
        self.assertEqual(created.replace(tzinfo=None), added.created.replace(tzinfo=None))
        self.assertEqual(
            row,
            {
                "_id": added.id,
                "user": self.user,
                "name": "A Name",
                "address": "first.last@bücher.example",
                "addrview": "firstlast@bücher.example",
                "tags": ["A", "b"],
                "tagsview": ["a", "b"],
                "metaData": '{"ö":[1]}',
                "internalData": "{}",
            },
        )
        self.assertEqual([d["domain"] for d in self.raw.domaincache.find({}, sort=[("domain", 1)])],
                         ["bücher.example", "example.com"])  # fmt: skip
        self.assertFalse(added.main)
        (one, _) = await self.book.of(self.user)
        self.assertEqual(one, await self.book.get(self.user, added.id))
        self.assertEqual((one.name, one.tags, one.meta_data), ("A Name", ("A", "b"), '{"ö":[1]}'))

    async def test_default(self) -> None:
        """The first address without wildcard is the default one, another only when that is said."""
        await self.book.add(self.other, "*@example.net")
        self.assertEqual(self.default(self.other), "")
        self.assertTrue((await self.book.add(self.other, "one@example.net")).main)
        self.assertFalse((await self.book.add(self.other, "two@example.net")).main)
        self.assertEqual(self.default(self.other), "one@example.net")
        self.assertTrue((await self.book.add(self.other, "three@example.net", main=True)).main)
        self.assertEqual(self.default(self.other), "three@example.net")

    async def test_refused(self) -> None:
        """What is no address, taken, or a wildcard out of place leaves nothing behind."""
        for address in (
            "a+b@example.com", "a*b*@example.com", "a*b@example.com", "a@", "@b", "a",
            f"{'x' * 33}*@example.com", "a b@example.com", "a@b@c", "a..b@example.com", "*@*",
            "a@exa mple.com", "a\0@example.com",
        ):  # fmt: skip
            with self.assertRaises(errors.BadInput, msg=address) as caught:
                await self.book.add(self.user, address)
            self.assertEqual(set(caught.exception.fields), {"address"})
        with self.assertRaises(errors.BadInput):
            await self.book.add(self.user, "*@example.org", wildcard=False)
        with self.assertRaises(errors.BadInput):
            await self.book.add(self.user, "*@example.org", main=True)
        with self.assertRaises(errors.AddressExists):
            await self.book.add(self.other, "U.ser@EXAMPLE.com")
        with self.assertRaises(errors.UserNotFound):
            await self.book.add(ObjectId(), "new@example.com")
        self.assertEqual(self.raw.addresses.count_documents({}), 1)

    async def test_account_goes_meanwhile(self) -> None:
        """An address that is given while its account is deleted stays nobody's."""
        insert = self.book.insert

        async def late(row: dict[str, Any]) -> None:
            self.raw.users.delete_one({"_id": self.user})
            await insert(row)

        self.patch(self.book, "insert", late)
        for address in ("late@example.com", "*@example.com"):
            self.raw.users.update_one({"_id": self.user}, {"$set": {"address": "x@y"}}, upsert=True)
            with self.assertRaises(errors.UserNotFound):
                await self.book.add(self.user, address)
        self.assertEqual(self.raw.addresses.count_documents({}), 1)


class ChangeTests(AddressCase):
    async def test_rename_default(self) -> None:
        """Another address in the place of the default one is the default one."""
        (address,) = await self.book.of(self.user)
        await self.book.change(self.user, address.id, address="New.User@example.org")
        row = self.row(address.id)
        self.assertEqual((row["address"], row["addrview"]), ("new.user@example.org", "newuser@example.org"))
        self.assertEqual(self.default(self.user), "new.user@example.org")
        self.assertTrue((await self.book.get(self.user, address.id)).main)
        self.assertIsNotNone(self.raw.domaincache.find_one({"domain": "example.org"}))
        # Only dots differ: it stays the same address.
        await self.book.change(self.user, address.id, address="newuser@example.org")
        self.assertEqual(self.default(self.user), "newuser@example.org")

    async def test_fields(self) -> None:
        """What is given is changed, the rest stays; an empty name is none."""
        added = await self.book.add(self.user, "b@example.com", name="B", tags=["x"], meta_data={"a": 1})
        await self.book.change(self.user, added.id, tags=["Y"], internal_data={"c": 2})
        now = await self.book.get(self.user, added.id)
        self.assertEqual((now.name, now.tags, now.meta_data, now.internal_data, now.main),
                         ("B", ("Y",), '{"a":1}', '{"c":2}', False))  # fmt: skip
        await self.book.change(self.user, added.id, name="", main=True)
        now = await self.book.get(self.user, added.id)
        self.assertEqual((now.name, now.main), ("", True))

    async def test_refused(self) -> None:
        """Wildcards stay what they are, taken addresses are refused, and nobody changes another's."""
        star = (await self.book.add(self.user, "*@example.net")).id
        two = (await self.book.add(self.user, "two@example.net")).id
        foreign = (await self.book.add(self.other, "three@example.net")).id
        change = self.book.change
        for error, work in (
            (errors.ChangeNotAllowed, change(self.user, star, address="one@example.net")),
            (errors.ChangeNotAllowed, change(self.user, two, address="*x@example.net")),
            (errors.WildcardNotPermitted, change(self.user, star, main=True)),
            (errors.AddressExists, change(self.user, two, address="thr.ee@example.net")),
            (errors.BadInput, change(self.user, two, address="a+b@example.net")),
            (errors.AddressNotFound, change(self.user, foreign, name="mine")),
            (errors.AddressNotFound, change(self.user, ObjectId(), name="mine")),
            (errors.UserNotFound, change(ObjectId(), two, name="mine")),
            (errors.AddressNotFound, self.book.remove(self.user, foreign)),
            (errors.AddressNotFound, self.book.get(self.user, foreign)),
        ):
            with self.assertRaises(error):
                await work
        await change(self.user, star, address="*@example.net", name="same")
        self.assertEqual([a.address for a in await self.book.of(self.user)],
                         ["*@example.net", "two@example.net", "user@example.com"])  # fmt: skip
        self.assertNotIn("name", self.row(foreign))

    async def test_remove(self) -> None:
        """Any but the default address can go."""
        added = await self.book.add(self.user, "b@example.com")
        self.assertEqual((await self.book.remove(self.user, added.id)).address, "b@example.com")
        with self.assertRaises(errors.AddressNotFound):
            await self.book.remove(self.user, added.id)
        (main,) = await self.book.of(self.user)
        with self.assertRaises(errors.NotPermitted):
            await self.book.remove(self.user, main.id)


class RaceTests(AddressCase):
    async def test_default_and_removed(self) -> None:
        """Whatever comes of an address that is made the default and removed at once, the default is there."""
        for n in range(20):
            added = await self.book.add(self.user, f"address{n}@example.net")
            at_once: list[Any] = [self.book.change(self.user, added.id, main=True)]
            at_once.append(self.book.remove(self.user, added.id))
            if n % 2:
                at_once.reverse()
            done = await DeferredList([Deferred.fromCoroutine(one) for one in at_once], consumeErrors=True)
            for success, result in done:
                self.assertTrue(success or result.check(errors.NotPermitted, errors.AddressNotFound), result)
            (default,) = [one.address for one in await self.book.of(self.user) if one.main]
            self.assertEqual(self.default(self.user), default)

    async def test_removed_first(self) -> None:
        """An address that goes just before it becomes the default one does not become it."""
        added = await self.book.add(self.user, "late@example.net")
        update_one = self.databases.users.update_one

        async def late(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "users":
                self.raw.addresses.delete_one({"_id": added.id})
            return await update_one(collection, *arguments, **options)

        self.patch(self.databases.users, "update_one", late)
        with self.assertRaises(errors.AddressNotFound):
            await self.book.change(self.user, added.id, main=True)
        self.assertEqual(self.default(self.user), "user@example.com")

    async def test_default_first(self) -> None:
        """An address that becomes the default one just before it is removed stays."""
        added = await self.book.add(self.user, "late@example.net", name="Late", meta_data={"m": 1})
        before = self.row(added.id)
        delete_one = self.databases.users.delete_one

        async def late(*arguments: Any, **options: Any) -> Any:
            self.raw.users.update_one({"_id": self.user}, {"$set": {"address": "late@example.net"}})
            return await delete_one(*arguments, **options)

        self.patch(self.databases.users, "delete_one", late)
        with self.assertRaises(errors.NotPermitted):
            await self.book.remove(self.user, added.id)
        self.assertEqual(self.row(added.id), before)


class OldRowTests(AddressCase):
    async def test_odd_rows(self) -> None:
        """Rows without the later fields, or with odd values, are shown all the same."""
        for number, extra in enumerate(
            (
                {},
                {"tags": None, "name": None, "metaData": 3},
                {"tags": [1, "a"], "address": None, "name": False},
            )
        ):
            self.raw.addresses.insert_one({"user": self.user, "addrview": f"a{number}@x", **extra})
        found = await self.book.of(self.user)
        self.assertEqual([a.tags for a in found], [(), (), ("a",), ()])
        self.assertEqual([a.main for a in found], [False, False, False, True])


class ForwardedTests(AddressCase):
    async def test_everything(self) -> None:
        """The row is WildDuck's; a target that is a local account's address has its id."""
        targets = [Target.new(value) for value in
                   ("U.ser+x@Example.com", "far@example.org", "smtps://mx.example.org:465",
                    "https://example.org/x")]  # fmt: skip
        autoreply = {"status": True, "start": False, "end": False, "name": "N", "subject": "S", "text": "T"}
        made = await self.forwarded.add(
            "Sales@example.com", [*targets, targets[1]], name="Sales", forwards=7, autoreply=autoreply,
            tags=["Z"], meta_data={"a": 1}, internal_data={"b": 2},
        )  # fmt: skip
        row = self.row(made.id)
        row.pop("created")
        self.assertEqual(
            row,
            {
                "_id": made.id,
                "name": "Sales",
                "address": "sales@example.com",
                "addrview": "sales@example.com",
                "targets": [
                    {"id": targets[0].id, "type": "mail", "value": "U.ser+x@Example.com", "user": self.user},
                    {"id": targets[1].id, "type": "mail", "value": "far@example.org"},
                    {"id": targets[2].id, "type": "relay", "value": "smtps://mx.example.org:465"},
                    {"id": targets[3].id, "type": "http", "value": "https://example.org/x"},
                ],
                "forwards": 7,
                "autoreply": autoreply,
                "tags": ["Z"],
                "tagsview": ["z"],
                "metaData": '{"a":1}',
                "internalData": '{"b":2}',
            },
        )
        found = await self.forwarded.get(made.id)
        self.assertEqual((found.forwards, found.disabled, len(found.targets)), (7, False, 4))
        with self.assertRaises(errors.DeliveryNotPossible):
            await self.accounts.receivers.find("sales+x@example.com")

    async def test_change(self) -> None:
        """Each field by itself; no forwards is a number too."""
        made = await self.forwarded.add("sales@example.com", forwards=7)
        await self.forwarded.change(made.id, forwards=0, disabled=True)
        await self.forwarded.change(made.id, targets=[Target.new("user@example.com")], name="N")
        await self.forwarded.change(
            made.id, address="buy@example.com", autoreply={"status": True, "text": "T"}
        )
        await self.forwarded.change(made.id, autoreply={"status": False})
        now = await self.forwarded.get(made.id)
        self.assertEqual(
            (now.address, now.forwards, now.disabled, now.name, now.autoreply, now.targets[0].user),
            ("buy@example.com", 0, True, "N", {"status": False, "text": "T"}, self.user),
        )
        self.assertEqual((await self.forwarded.remove(made.id)).address, "buy@example.com")
        with self.assertRaises(errors.AddressNotFound):
            await self.forwarded.remove(made.id)

    async def test_refused(self) -> None:
        """An address that forwards to itself, a taken one, a wildcard that is not allowed; accounts' rows."""
        itself = [Target.new("S.ales+label@EXAMPLE.com")]
        made = await self.forwarded.add("two@example.com", itself)
        (own,) = await self.book.of(self.user)
        for error, work in (
            (errors.BadInput, self.forwarded.add("sales@example.com", itself)),
            (errors.BadInput, self.forwarded.add("*@example.com")),
            (errors.BadInput, self.forwarded.add("a+b@example.com")),
            (errors.AddressExists, self.forwarded.add("us.er@example.com")),
            (errors.BadInput, self.forwarded.change(made.id, targets=[Target.new("two@example.com")])),
            (errors.BadInput, self.forwarded.change(made.id, address="sales@example.com")),
            (errors.ChangeNotAllowed, self.forwarded.change(made.id, address="*@example.com")),
            (errors.AddressExists, self.forwarded.change(made.id, address="user@example.com")),
            (errors.AddressNotFound, self.forwarded.change(own.id, name="mine")),
            (errors.AddressNotFound, self.forwarded.get(own.id)),
            (errors.AddressNotFound, self.forwarded.remove(own.id)),
            (errors.AddressNotFound, self.book.change(self.user, made.id, name="mine")),
            (errors.AddressNotFound, self.book.remove(self.user, made.id)),
        ):
            with self.assertRaises(error):
                await work
        self.assertEqual((await self.forwarded.add("*@example.com", wildcard=True)).address, "*@example.com")


class DomainTests(AddressCase):
    async def test_rename(self) -> None:
        """Addresses, default addresses, keys and targets of aliases; other domains stay."""
        await self.book.add(self.user, "A.b@example.com")
        await self.book.add(self.other, "*@example.com")
        await self.book.add(self.other, "x@sub.example.com")
        await self.book.add(self.other, "x@example.community")
        await self.book.add(self.other, "x@notexample.com")
        await self.forwarded.add("sales@example.com")
        self.raw.dkim.insert_many([{"domain": "example.com"}, {"domain": "a.example"}])
        self.raw.domainaliases.insert_many(
            [{"alias": "x.example", "domain": "example.com"}, {"alias": "y.example", "domain": "a.example"}]
        )
        done = await rename_domain(self.databases, self.book, "example.com", "new.example")
        self.assertEqual(done, Renamed(addresses=4, users=1, dkim=1, aliases=1))
        self.assertEqual(
            {row["address"]: row["addrview"] for row in self.raw.addresses.find()},
            {
                "user@new.example": "user@new.example",
                "a.b@new.example": "ab@new.example",
                "*@new.example": "*@new.example",
                "sales@new.example": "sales@new.example",
                "x@sub.example.com": "x@sub.example.com",
                "x@example.community": "x@example.community",
                "x@notexample.com": "x@notexample.com",
            },
        )
        self.assertEqual(self.default(self.user), "user@new.example")
        self.assertIsNotNone(self.raw.domaincache.find_one({"domain": "new.example"}))
        self.assertEqual(
            (await self.accounts.receivers.find("user@new.example")).recipient.account.id, self.user
        )
        again = await rename_domain(self.databases, self.book, "example.com", "new.example")
        self.assertEqual(again, Renamed())
        self.assertEqual(await rename_domain(self.databases, self.book, "a", "a"), Renamed())

    async def test_crash(self) -> None:
        """After a crash behind the addresses the same call changes the default addresses."""
        self.raw.addresses.update_one(
            {}, {"$set": {"address": "user@b.example", "addrview": "user@b.example"}}
        )
        done = await rename_domain(self.databases, self.book, "example.com", "b.example")
        self.assertEqual((done.addresses, done.users), (0, 1))
        self.assertEqual(self.default(self.user), "user@b.example")

    async def test_taken(self) -> None:
        """Nothing is changed where one of the new addresses exists."""
        await self.book.add(self.user, "two@example.com")
        await self.book.add(self.other, "t.wo@b.example")
        before = list(self.raw.addresses.find())
        with self.assertRaises(errors.AddressExists):
            await rename_domain(self.databases, self.book, "example.com", "b.example")
        self.assertEqual(list(self.raw.addresses.find()), before)
        self.raw.dkim.create_index("domain", unique=True, name="dkim_primary")
        self.raw.dkim.insert_many([{"domain": "example.com"}, {"domain": "c.example"}])
        done = await rename_domain(self.databases, self.book, "example.com", "c.example")
        self.assertEqual((done.addresses, done.dkim), (2, 0))

    def test_names(self) -> None:
        self.assertEqual(domain_name("XN--bcher-KVA.example", "oldDomain"), "bücher.example")
        for name in ("", "a b", "*", "a@b", "$ne", "a..b", "x\0"):
            with self.assertRaises(errors.BadInput, msg=name) as caught:
                domain_name(name, "oldDomain")
            self.assertEqual(set(caught.exception.fields), {"oldDomain"})


class RegisterTests(AddressCase):
    async def test_find_and_change(self) -> None:
        """By a part of the address or the beginning of the name; latest first, the account's own only."""
        rows = [
            {"user": self.user, "name": "Zoë Smith", "address": "zs@a.example", "updated": 1},
            {"user": self.user, "name": "smithy", "address": "q@b.example", "updated": 3, "disabled": False},
            {"user": self.user, "name": None, "address": "blacksmith@c.example", "updated": 2},
            {"user": self.user, "name": "Smith", "address": "d@d.example", "updated": 4, "disabled": True},
            {"user": self.other, "name": "Smith", "address": "e@e.example", "updated": 5},
        ]
        ids = self.raw.addressregister.insert_many(rows).inserted_ids
        register = AddressRegister(self.databases.main)
        found = await register.find(self.user, "SMITH", 10)
        self.assertEqual([one.id for one in found], [ids[1], ids[2]])
        self.assertEqual([one.name for one in found], ["smithy", ""])
        self.assertEqual(len(await register.find(self.user, "example", 2)), 2)
        self.assertEqual(await register.find(self.user, ".*", 10), [])
        await register.change(self.user, ids[3], disabled=False, name="New")
        await register.change(self.user, ids[1], disabled=True)
        self.assertEqual([one.id for one in await register.find(self.user, "new", 10)], [ids[3]])
        self.assertEqual([one.id for one in await register.find(self.user, "smith", 10)], [ids[2]])
        for id in (ids[4], ObjectId()):
            with self.assertRaises(errors.AddressNotFound):
                await register.change(self.user, id, disabled=True)


class ValueTests(AddressCase):
    def test_targets(self) -> None:
        """What is no target is refused; a stored one that is odd is left out."""
        for value in ("", "a", "ftp://x", "http://", "smtp:// x", "http://x:99999", "a@b\r\nc",
                      "javascript:a@b", "*@example.com", "a@b@c", "x" * 3000 + "@example.com"):  # fmt: skip
            with self.assertRaises(ValueError, msg=value):
                Target.new(value)
        self.assertEqual([Target.new(v).kind for v in ("SMTP://x", "https://[::1]:8080/a?b", "a+b@example")],
                         ["relay", "http", "mail"])  # fmt: skip
        (one,) = stored_targets([None, {"value": 1}, "x", {"value": "a@b", "id": "x", "user": "y"}])
        self.assertEqual((one.kind, one.value, one.user), ("mail", "a@b", None))
        self.assertEqual(stored_targets("x"), ())

    def test_meta(self) -> None:
        """Stored as WildDuck's JSON text; what can't be read is empty."""
        self.assertEqual(meta_text({"a": ["ü", 1]}), '{"a":["ü",1]}')
        self.assertEqual(meta_value('{"a":1}'), {"a": 1})
        for odd in (None, "", 3, "x", "[1]", "[" * 100_000, "1"):
            self.assertEqual(meta_value(odd), {})
        self.assertEqual(meta_value(r'{"\ud800":["\udfff\ud83d\ude00"]}'), {"?": ["?\U0001f600"]})
        deep: Any = None
        for _ in range(META_LEVELS - 1):
            deep = [deep]
        shown = meta_value('{"a":' + "[" * 900 + "]" * 900 + ',"b":"' + "[" * 100 + '"}')
        self.assertEqual(shown, {"a": deep, "b": "[" * 100})

    def test_patterns(self) -> None:
        """Text from outside is never a pattern."""
        self.raw.things.insert_many(
            [{"t": t} for t in ("a.*b", "axxb", "A.*b", "a\nb", "a$(b", "end", "end\n")]
        )

        def found(operator: dict[str, str]) -> list[str]:
            return [row["t"] for row in self.raw.things.find({"t": operator})]

        self.assertEqual(found(containing(".*")), ["a.*b", "A.*b"])
        self.assertEqual(found(beginning("a.*", ignore_case=True)), ["a.*b", "A.*b"])
        self.assertEqual(found(ending("end")), ["end"])
        self.assertEqual(found(containing("a$(b")), ["a$(b"])
        self.assertEqual(found(containing("\x00")), [])

    def test_tags(self) -> None:
        self.assertEqual(tag_fields(["b", "A", "a", " "]), {"tags": ["A", "b"], "tagsview": ["a", "b"]})

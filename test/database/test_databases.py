"""Connecting, the checks of start-up, and the indexes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial import unittest
from txmongo.connection import _PingerProtocol

from test.database.case import ReplicaSetCase, connect, reactor, standalone
from test.support.certificates import authority
from test.support.databases import fresh_settings, helper
from test.support.relay import Relay
from test.support.servers import Mongod, free_port, shared
from wildduck import limits
from wildduck.database import Databases, MongoSettings, indexes
from wildduck.errors import ConfigurationError


class ConnectTests(unittest.TestCase):
    """L{Databases.connect} gives four handles, or says in one line why not."""

    timeout = 60

    async def _refused(self, uri: str, **more: Any) -> str:
        try:
            databases = await Databases.connect(MongoSettings(uri, **more), reactor())
        except ConfigurationError as error:
            self.assertEqual(len(str(error).splitlines()), 1)
            self.assertNotIn("secret", str(error))
            return str(error)
        await databases.close()
        return self.fail("ConfigurationError was not raised")

    async def test_handles(self) -> None:
        """A handle is a database on the main connection, one with a URI of its own, or main itself."""
        port, other = helper().mongo_port, standalone().port
        databases = await connect(
            self,
            f"mongodb://127.0.0.1:{port}/handles",
            users="handles-users",
            gridfs=f"mongodb://127.0.0.1:{other}/handles-gridfs",
        )
        names = [databases.main.name, databases.users.name, databases.gridfs.name, databases.sender.name]
        self.assertEqual(names, ["handles", "handles-users", "handles-gridfs", "handles"])
        self.assertEqual((databases.users.replica_set, databases.gridfs.replica_set), (True, False))
        self.assertEqual(len(databases._clusters), 2)

    async def test_same_server(self) -> None:
        """A URI that names the main server again shares its connections."""
        uri = f"mongodb://127.0.0.1:{helper().mongo_port}/"
        databases = await connect(self, uri + "handles", users=uri + "handles-users")
        self.assertEqual(len(databases._clusters), 1)

    async def test_group_over_servers(self) -> None:
        """A group's write to another server is made durable by itself."""
        databases = await connect(
            self,
            f"mongodb://127.0.0.1:{helper().mongo_port}/handles",
            gridfs=f"mongodb://127.0.0.1:{standalone().port}/handles-gridfs",
        )
        group = databases.main.group()
        self.assertTrue(group.must_be_durable(databases.gridfs._cluster))
        self.assertFalse(group.must_be_durable(databases.main._cluster))
        await databases.gridfs.update_one("rows", {"_id": 1}, {"$inc": {"n": 1}}, upsert=True, group=group)
        await databases.main.update_one("rows", {"_id": 1}, {"$inc": {"n": 1}}, upsert=True, group=group)
        self.assertTrue(group.intact)

    async def test_unreachable(self) -> None:
        """Nobody listens."""
        self.patch(limits, "START_SECONDS", 0.3)
        error = await self._refused(f"mongodb://u:secret@127.0.0.1:{free_port()}/mail")
        self.assertIn("can not be reached", error)

    async def test_silent(self) -> None:
        """The server accepts and says nothing."""
        self.patch(limits, "START_SECONDS", 0.3)
        relay = Relay(reactor(), helper().mongo_port)
        relay.start()
        self.addCleanup(relay.stop)
        relay.black_hole()
        self.assertIn("can not be reached", await self._refused(f"mongodb://127.0.0.1:{relay.port}/mail"))

    async def test_second_unreachable(self) -> None:
        """One of two servers is away: the connections to the other are closed again."""
        self.patch(limits, "START_SECONDS", 0.3)
        await self._refused(
            f"mongodb://127.0.0.1:{helper().mongo_port}/mail",
            users=f"mongodb://127.0.0.1:{free_port()}/mail",
        )

    async def test_wrong_replica_set(self) -> None:
        """The URI names another replica set than the server's."""
        self.patch(limits, "START_SECONDS", 0.3)
        await self._refused(f"mongodb://127.0.0.1:{helper().mongo_port}/mail?replicaSet=other")

    async def test_too_old(self) -> None:
        """A server before 4.4 can not say what is needed."""
        databases = await connect(self, f"mongodb://127.0.0.1:{standalone().port}/mail")
        cluster = databases.main._cluster
        self.assertRaises(ConfigurationError, cluster._learn, {"maxWireVersion": 8})
        cluster._learn({"maxWireVersion": 9, "msg": "isdbgrid"})
        self.assertTrue(cluster.mongos and cluster.replica_set)


class SignInTests(unittest.TestCase):
    """A server that wants a name and password."""

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        def make() -> Mongod:
            server = Mongod("--auth")
            with server.client() as client:
                # The localhost exception lets the first user be made, in admin.
                roles = [{"role": "root", "db": "admin"}]
                client.admin.command("createUser", "us@er", pwd="p:ss", roles=roles)
            return server

        self.server: Mongod = shared("auth", make)
        self.host = f"127.0.0.1:{self.server.port}"

    async def test_accepted(self) -> None:
        """With authSource the user of another database is signed in."""
        databases = await connect(self, f"mongodb://us%40er:p%3Ass@{self.host}/mail?authSource=admin")
        await databases.main.update_one("rows", {"_id": 1}, {"$set": {"n": 1}}, upsert=True)

    async def _refused(self, credentials: str, options: str = "") -> str:
        try:
            await connect(self, f"mongodb://{credentials}{self.host}/mail{options}")
        except ConfigurationError as error:
            return str(error)
        return self.fail("ConfigurationError was not raised")

    async def test_wrong_password(self) -> None:
        """A refused password ends start-up (P7)."""
        self.assertIn("refuses", await self._refused("us%40er:wrong@", "?authSource=admin"))

    async def test_unknown_user(self) -> None:
        """So does an unknown user, or one looked for in another database."""
        self.assertIn("refuses", await self._refused("nobody:p@"))
        self.assertIn("refuses", await self._refused("us%40er:p%3Ass@"))

    async def test_nobody(self) -> None:
        """And no user at all where the server wants one."""
        self.assertIn("no access", await self._refused(""))

    async def test_password_changed(self) -> None:
        """A server that refuses later on is asked again, less often."""
        databases = await connect(self, f"mongodb://us%40er:p%3Ass@{self.host}/mail?authSource=admin")
        pool = databases.main._cluster.quick
        wire = pool.any_connection()
        assert wire is not None
        wire.refused = True
        pool.refused(wire)
        self.assertEqual(wire.factory.maxDelay, limits.REFUSED_PAUSE_SECONDS)
        self.assertFalse(pool.let_in)


class TlsTests(unittest.TestCase):
    """A server that speaks TLS only (P8)."""

    timeout = 60

    def _server(self, *names: str) -> None:
        self.authority = authority(self)
        pem, ca = self.authority.server(*names), self.authority.certificate_path
        self.server = Mongod(
            *("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", pem, "--tlsCAFile", ca),
            "--tlsAllowConnectionsWithoutCertificates",
            tls=True,
            tlsAllowInvalidCertificates=True,
        )
        self.addCleanup(self.server.close)

    async def _connect(self, host: str, options: str) -> Databases:
        return await connect(self, f"mongodb://{host}:{self.server.port}/mail?{options}")

    async def _refused(self, host: str, options: str) -> None:
        try:
            await self._connect(host, options)
        except ConfigurationError:
            return
        self.fail("ConfigurationError was not raised")

    async def test_verified(self) -> None:
        """A certificate of a known authority for the right name is believed, others are not."""
        self._server("localhost")
        ca = f"tlsCAFile={self.authority.certificate_path}"
        databases = await self._connect("localhost", f"tls=true&{ca}")
        await databases.main.insert_one("rows", {"_id": 1})
        # txmongo's pings go to the bare address: they must not fail for the name in the certificate.
        tls = databases.main._cluster.quick._tls
        assert tls is not None
        self.assertIn(("127.0.0.1", self.server.port), tls.names)
        self.patch(limits, "START_SECONDS", 0.7)
        await self._refused("127.0.0.1", f"tls=true&{ca}")
        await self._refused("localhost", "tls=true")
        await self._refused("localhost", "")
        await self._connect("127.0.0.1", f"tls=true&{ca}&tlsAllowInvalidHostnames=true")
        await self._connect("127.0.0.1", "tls=true&tlsInsecure=true")

    async def test_pings(self) -> None:
        """txmongo's pings, which go to the address, do not cut the connections made to the name."""
        self._server("localhost")
        databases = await self._connect("localhost", f"tls=true&tlsCAFile={self.authority.certificate_path}")
        pool = databases.main._cluster.quick
        wire = pool.any_connection()
        answered: Deferred[None] = Deferred()
        original = _PingerProtocol.handle_reply

        def handle_reply(protocol: Any, message: Any) -> None:
            original(protocol, message)
            if not answered.called:
                answered.callback(None)

        self.patch(_PingerProtocol, "handle_reply", handle_reply)
        # What txmongo does ten seconds after it has connected.
        pool._txmongo._ConnectionPool__discovery_nodes_to_ping()
        await answered
        self.assertIs(pool.any_connection(), wire)


class IndexTests(ReplicaSetCase):
    """The table of indexes, on a server."""

    def _names(self, settings: Any, collection: str) -> dict[str, Any]:
        database = helper().client[settings.mongo.uri.rpartition("/")[2]]
        return {row["name"]: row for row in database[collection].list_indexes()}

    async def test_lean(self) -> None:
        """Only what our queries need is made, and making it again changes nothing."""
        client = helper().client
        client.drop_database(self.main.name)
        await self.databases.ensure_indexes()
        await self.databases.ensure_indexes()
        names = set(self._names(self.settings, "messages"))
        expected = {
            "_id_",
            "mailbox_uid_unique",
            "mailbox_modseq_uid",
            "mailbox_unseen_uid",
            "mailbox_deleted",
        }
        self.assertEqual(
            names, expected | {"user_messages_by_thread", "retention_time", "by_idate_reverse_thread"}
        )
        self.assertIn("related_attachments_cu", self._names(self.settings, "attachments.files"))
        for collection in indexes.COMPRESSED:
            (row,) = client[self.main.name].list_collections(filter={"name": collection})
            engine = row["options"]["storageEngine"]["wiredTiger"]
            self.assertEqual(engine["configString"], "block_compressor=zstd")

    async def test_mixed(self) -> None:
        """With WildDuck beside us all of its indexes are there too."""
        await self.databases.ensure_indexes(mixed_cluster=True)
        for collection, rows in indexes.by_collection(True).items():
            present = self._names(self.settings, collection)
            for row in rows:
                self.assertIn(row.name, present)
        text = self._names(self.settings, "messages")["fulltext"]
        self.assertEqual(dict(text["weights"]), {"headers.value": 1, "text": 1})
        self.assertEqual(list(text["key"].items())[0], ("user", 1))

    async def test_under_another_name(self) -> None:
        """An index of the same keys under another name is taken for ours."""
        client = helper().client
        client.drop_database(self.main.name)
        client[self.main.name].journal.create_index([("mailbox", 1), ("modseq", 1)], name="other")
        await self.databases.ensure_indexes()
        self.assertNotIn("mailbox_modseq", self._names(self.settings, "journal"))

    async def test_documents_against_it(self) -> None:
        """Where documents do not allow an index, the others are made and the server goes on."""
        client = helper().client
        client.drop_database(self.main.name)
        client[self.main.name].messages.insert_many([{"mailbox": 1, "uid": 1}, {"mailbox": 1, "uid": 1}])
        await self.databases.ensure_indexes()
        names = self._names(self.settings, "messages")
        self.assertNotIn("mailbox_uid_unique", names)
        # UIDs must be found by an index, be it one that does not keep them apart.
        self.assertIn("mailbox_uid", names)
        self.assertIn("mailbox_modseq_uid", names)

    async def test_handles(self) -> None:
        """An index is made in the database that holds its collection."""
        settings = fresh_settings(self, split=True)
        databases = await Databases.connect(settings.mongo, reactor())
        self.addCleanup(databases.close)
        await databases.ensure_indexes()
        name = settings.mongo.uri.rpartition("/")[2]
        users = helper().client[f"{name}-users"]
        self.assertIn("users_dotless", {row["name"] for row in users.users.list_indexes()})
        gridfs = helper().client[f"{name}-gridfs"]
        self.assertIn("files_id_1_n_1", {row["name"] for row in gridfs["attachments.chunks"].list_indexes()})


class TableTests(unittest.SynchronousTestCase):
    """The table by itself."""

    def test_reasons(self) -> None:
        """Each index has a reason, and no two of a collection have one name or the same keys."""
        seen: set[object] = set()
        for row in indexes.INDEXES:
            self.assertTrue(row.reason)
            for key in ((row.collection, row.name), (row.collection, row.keys)):
                self.assertNotIn(key, seen)
                seen.add(key)

    def test_no_prefix(self) -> None:
        """No lean index is only the beginning of another: the longer one would do."""
        lean = [row for row in indexes.INDEXES if not row.mixed and not row.options]
        for row in lean:
            longer = [other for other in lean if other is not row and other.collection == row.collection]
            self.assertFalse(any(other.keys[: len(row.keys)] == row.keys for other in longer), row.name)

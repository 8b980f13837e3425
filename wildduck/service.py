"""
The front door: C{twistd wildduck}.

L{makeService} runs before twistd becomes a daemon and drops privileges: it
looks (settings, certificate, ports, data folder, programs, whether configured
databases answer) and starts nothing; what it finds wrong is one line on stderr
and exit status 1.  The service then starts the private databases, connects,
makes the indexes and listens, and takes all of it down in the opposite order.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python import usage
from twisted.python.failure import Failure

import wildduck
from wildduck import config
from wildduck.composition import Faces
from wildduck.config import Settings
from wildduck.database import bootstrap
from wildduck.domain import Domain
from wildduck.errors import ConfigurationError, DomainError
from wildduck.listeners import BoundSockets
from wildduck.log_level import limit_log
from wildduck.machine import make_folder, raise_descriptor_limit
from wildduck.private.databases import PrivateDatabases
from wildduck.private.folder import DataFolder
from wildduck.private.process import ChildFailed
from wildduck.tls import ServerTls, ensure_self_signed

#: How long a configured database may take to answer at start-up.
REACH_SECONDS = 5.0


#: Descriptors for databases, listeners, spooled messages and logs, beside those of clients.
_OTHER_DESCRIPTORS = 500


class Options(usage.Options):
    """Options of C{twistd wildduck}; the C{wildduck} command has the same."""

    optParameters = [
        ["config", "c", None, "Settings, a TOML file (etc/wildduck.toml shows every key)."],
        ["data", "d", None, f"Data folder (default: ./{config.DEFAULT_DATA})."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["sets"] = []

    def opt_set(self, item: str) -> None:
        """Override one setting, as SECTION.KEY=VALUE; may be given more than once."""
        self["sets"].append(item)

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"wildduck {wildduck.__version__}")  # noqa: T201
        sys.exit(0)


def makeService(options: Options) -> WildduckService:
    """
    Look at everything that start-up needs.

    @raise SystemExit: with the one line that says what is wrong.
    """
    try:
        return look(config.load(options["config"], options["data"], options["sets"]))
    except ConfigurationError as error:
        raise SystemExit(f"wildduck: {error}") from None


def look(settings: Settings) -> WildduckService:
    """
    The service for these settings, after a look at what it will need.

    @raise ConfigurationError: with one line.
    """
    folder = DataFolder(settings.data)
    folder.lock()
    try:
        private = None
        if settings.private:
            private = PrivateDatabases(folder)
            private.look()
        else:
            _reach(settings)
        tls = _tls(settings, folder)
        sockets = BoundSockets.bind(config.listeners(settings))
    except ConfigurationError:
        folder.unlock()
        raise
    return WildduckService(settings, folder, private, sockets, tls)


def _reach(settings: Settings) -> None:
    """Whether the configured databases answer."""
    for handle in ("uri", "users", "gridfs", "sender"):
        value = getattr(settings.mongo, handle)
        if "/" in value or ":" in value:
            bootstrap.check_mongodb(value, f"mongo.{handle}", REACH_SECONDS)
    bootstrap.check_redis(settings.redis.uri, "redis.uri", REACH_SECONDS)


def _tls(settings: Settings, folder: DataFolder) -> ServerTls:
    cert, key = settings.tls.cert, settings.tls.key
    if not cert:
        try:
            cert, key = ensure_self_signed(folder.make("tls"), settings.hostname)
        except OSError as error:
            raise ConfigurationError(f"data folder {folder.path}: {error.strerror}") from None
    # A daemon changes its working folder, and reads them again on SIGHUP.
    return ServerTls(os.path.abspath(cert), os.path.abspath(key), settings.tls.min_version)


class WildduckService(Service):
    """
    One server: databases, domain, faces.

    @ivar ports: port numbers by listener name, known before the start.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        folder: DataFolder,
        private: PrivateDatabases | None,
        sockets: BoundSockets,
        tls: ServerTls,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._private = private
        self._sockets = sockets
        self._tls = tls
        #: What has been started: how each part ends, the last one first.
        self._ends: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._starting: Deferred[None] | None = None
        self.ports = sockets.ports

    def startService(self) -> None:
        """Begin the start as soon as the reactor runs, with its signal handlers in place."""
        from twisted.internet import reactor

        super().startService()
        limit_log(self._settings.log.level)
        self._reactor: Any = reactor
        self._old_hangup = signal.signal(signal.SIGHUP, self._on_hangup)
        reactor.callWhenRunning(self._begin)

    def stopService(self) -> Deferred[None]:
        """Drain and take everything down; the databases last."""
        super().stopService()
        signal.signal(signal.SIGHUP, self._old_hangup)
        return Deferred.fromCoroutine(self._stop())

    def _begin(self) -> None:
        if self.running:
            self._starting = Deferred.fromCoroutine(self._start())
            self._starting.addErrback(self._start_failed)

    async def _start(self) -> None:
        settings = self._settings
        # One that was left by a server that was killed would mislead until ours is written.
        self._folder.remove_run()
        if self._private is not None:
            self._ends.append(("databases", self._private.stop))
            await self._private.start(self._reactor)
            settings = settings.with_databases(self._private.mongo_uri, self._private.redis_uri)
        make_folder("storage.spool", settings.spool)
        clients = settings.limits.connections + settings.api.connections
        raise_descriptor_limit(clients + _OTHER_DESCRIPTORS)
        domain = Domain(settings, self._reactor)
        self._ends.append(("connections", domain.close))
        await domain.open(ensure_indexes=True)
        faces = Faces(settings, domain, self._tls, self._reactor)
        self._ends.append(("listeners", faces.drain))
        # What is there by now stays: the collector of garbage need not walk through it
        # again and again while clients wait.
        gc.collect()
        gc.freeze()
        faces.listen(self._sockets)
        self._folder.write_run(self._run(settings))
        where = ", ".join(f"{name} {port}" for name, port in self.ports.items())
        self._log.info("serving: {where}", where=where)

    def _run(self, settings: Settings) -> dict[str, Any]:
        """Content of C{run.json}."""
        mongo = {"uri": settings.mongo.uri} | {
            name: uri for name in ("users", "gridfs", "sender") if (uri := getattr(settings.mongo, name))
        }
        addresses = {
            name: where[0] for name, where in config.listeners(settings).items() if name in self.ports
        }
        return {
            "pid": os.getpid(),
            "version": wildduck.__version__,
            "ports": self.ports,
            "hosts": addresses,
            "mongo": mongo,
            "redis": {"uri": settings.redis.uri},
            "databases": self._private.pids if self._private else {},
        }

    def _start_failed(self, failure: Failure) -> None:
        """A start that makeService could not foresee to fail."""
        self._starting = None
        if not self.running:
            # Cancelled; what it was doing may have made any error of that.
            return
        if failure.check(ConfigurationError, ChildFailed, DomainError):
            line = failure.getErrorMessage()
        else:
            self._log.failure("start-up failed", failure)
            line = f"start-up failed with {type(failure.value).__name__}, the log has details"
        self._log.critical("{line}", line=line)
        # sys.stderr is part of the log by now.
        print(f"wildduck: {line}", file=sys.__stderr__, flush=True)  # noqa: T201
        # twistd exits with 0 after reactor.stop(), whatever was the reason for it.
        atexit.register(os._exit, 1)
        atexit.register(sys.stdout.flush)
        self._reactor.stop()

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await self._starting
        self._sockets.close()
        while self._ends:
            part, end = self._ends.pop()
            try:
                await end()
            except Exception:
                # The others must come down nonetheless, the databases above all.
                self._log.failure("{part} did not end in order", part=part)
        self._folder.remove_run()
        self._folder.unlock()

    def _on_hangup(self, _number: int, _frame: Any) -> None:
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        """SIGHUP: read the certificate again."""
        try:
            self._tls.reload()
        except ConfigurationError as error:
            self._log.error("the old certificate stays in use: {error}", error=error)
        else:
            self._log.info("certificate read again: {path}", path=self._tls.cert_path)

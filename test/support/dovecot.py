"""A private Dovecot on loopback, with a folder of its own, for the comparison and the bench."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType

from test.support.blocking_imap import Imap
from test.support.servers import HOST, free_port
from wildduck.private.binaries import launcher

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0

_CONFIGURATION = """
protocols = {protocols}
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login_user}
default_client_limit = 10000
default_process_limit = 1000
mail_location = maildir:{folder}/mail/%n
mail_fsync = {sync}
mail_save_crlf = yes
mail_max_userip_connections = 2000
mail_uid = {mail_user}
mail_gid = {mail_group}
first_valid_uid = 0
first_valid_gid = 0
auth_username_format = %n
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = home={folder}/home/%n
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""
_LOGIN = """
service {name}-login {{
  chroot =
  inet_listener {name} {{
    port = {port}
  }}
  inet_listener {name}s {{
    port = 0
  }}
}}
"""
_LMTP = """
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


class Dovecot:
    """
    One Dovecot, started by entering the context and ended by leaving it.

    @ivar ports: by protocol, all plain.
    """

    def __init__(
        self,
        folder: str,
        program: str,
        password: str,
        protocols: Sequence[str] = ("imap",),
        *,
        sync: bool = False,
    ) -> None:
        """
        @param folder: short enough for UNIX sockets (some 80 bytes); it goes with its owner.
        @param program: path of C{dovecot}.
        @param password: any user name signs in with it.
        @param protocols: C{imap}, C{pop3} and C{lmtp}.
        @param sync: mail is on the disk before it answers.
        """
        self._folder = folder
        self._program = program
        self._password = password
        self._sync = sync
        self._process: subprocess.Popen[bytes] | None = None
        self.ports = {name: free_port() for name in protocols}

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """
        @raise RuntimeError: it does not start, with its log.
        """
        for name in ("run", "state", "mail", "home"):
            os.makedirs(os.path.join(self._folder, name), exist_ok=True)
        if os.geteuid() == 0:  # the login process runs as another user and must reach its sockets
            os.chmod(self._folder, 0o755)
            for name in ("mail", "home"):
                shutil.chown(os.path.join(self._folder, name), "mail", "mail")
        configuration = os.path.join(self._folder, "dovecot.conf")
        with open(configuration, "w") as file:
            file.write(self._configuration())
        self._process = subprocess.Popen([*launcher(), self._program, "-F", "-c", configuration])
        deadline = time.monotonic() + _START_SECONDS
        while not all(_listens(port) for port in self.ports.values()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"dovecot did not start:\n{self._log()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def client(self, user: str) -> Imap:
        """A signed-in connection; any user name will do."""
        client = Imap(self.ports["imap"])
        client.login(user, self._password)
        return client

    def _configuration(self) -> str:
        root = os.geteuid() == 0
        me = getpass.getuser()
        text = _CONFIGURATION.format(
            folder=self._folder,
            protocols=" ".join(self.ports),
            password=self._password,
            sync="always" if self._sync else "optimized",
            user="dovecot" if root else me,
            group="dovecot" if root else me,
            login_user="dovenull" if root else me,
            mail_user="mail" if root else me,
            mail_group="mail" if root else me,
        )
        for name, port in self.ports.items():
            text += _LMTP.format(port=port) if name == "lmtp" else _LOGIN.format(name=name, port=port)
        return text

    def _log(self) -> str:
        try:
            with open(os.path.join(self._folder, "dovecot.log")) as file:
                return file.read()
        except OSError:
            return ""


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False

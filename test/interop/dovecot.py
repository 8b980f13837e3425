"""A private Dovecot on loopback, with a folder of its own: the judge of ENVELOPE and BODYSTRUCTURE."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from types import TracebackType

from test.support.blocking_imap import Imap

#: Any name signs in with it; the folder goes with the comparison.
PASSWORD = "interop"

_START_SECONDS = 20.0

_CONFIGURATION = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login_user}
mail_location = maildir:{folder}/mail/%u
mail_save_crlf = yes
mail_max_userip_connections = 100
mail_uid = {mail_user}
mail_gid = {mail_group}
first_valid_uid = 0
first_valid_gid = 0
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = home={folder}/home/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


def program() -> str | None:
    """Path of the C{dovecot} program, if it is installed."""
    return shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Dovecot:
    """
    One running Dovecot, ended by leaving the context.

    @ivar port: of IMAP, plain.
    """

    def __init__(self, folder: str) -> None:
        """
        @param folder: an empty folder; short enough for UNIX sockets (some 80 bytes).
        """
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def __enter__(self) -> Dovecot:
        path = program()
        assert path is not None, "dovecot is not installed"
        root = os.geteuid() == 0
        me = getpass.getuser()
        for name in ("run", "state", "mail", "home"):
            os.makedirs(os.path.join(self._folder, name), exist_ok=True)
        if root:  # the login process runs as another user and must reach its sockets
            os.chmod(self._folder, 0o755)
            for name in ("mail", "home"):
                shutil.chown(os.path.join(self._folder, name), "mail", "mail")
        configuration = os.path.join(self._folder, "dovecot.conf")
        with open(configuration, "w") as file:
            file.write(
                _CONFIGURATION.format(
                    folder=self._folder,
                    port=self.port,
                    password=PASSWORD,
                    user="dovecot" if root else me,
                    group="dovecot" if root else me,
                    login_user="dovenull" if root else me,
                    mail_user="mail" if root else me,
                    mail_group="mail" if root else me,
                )
            )
        self._process = subprocess.Popen([path, "-F", "-c", configuration])
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.close()
                    raise RuntimeError(f"dovecot did not start:\n{self.log()}") from None
                time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it has logged."""
        try:
            with open(os.path.join(self._folder, "dovecot.log")) as file:
                return file.read()
        except OSError:
            return ""

    def client(self, user: str) -> Imap:
        """A signed-in connection; any user name will do."""
        client = Imap(self.port)
        client.login(user, PASSWORD)
        return client

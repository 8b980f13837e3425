"""A private Dovecot with IMAP, POP3 and LMTP on loopback, which writes mail to the disk before it answers."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time

from bench.databases import HOST, free_port
from test.interop.programs import find
from wildduck.private.binaries import launcher

_START_SECONDS = 30.0

_CONFIGURATION = """
protocols = imap pop3 lmtp
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
mail_fsync = always
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
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """
    @ivar ports: C{imap}, C{pop3} and C{lmtp}.
    """

    def __init__(self, folder: str, password: str) -> None:
        """
        @param folder: short enough for UNIX sockets (some 80 bytes).
        """
        self._path = find("dovecot")
        for part in ("/usr/lib/dovecot/lmtp", "/usr/lib/dovecot/pop3"):
            find(part)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.ports = {name: free_port() for name in ("imap", "pop3", "lmtp")}
        root = os.geteuid() == 0
        me = getpass.getuser()
        self._values = {
            "folder": folder,
            "password": password,
            "user": "dovecot" if root else me,
            "group": "dovecot" if root else me,
            "login_user": "dovenull" if root else me,
            "mail_user": "mail" if root else me,
            "mail_group": "mail" if root else me,
        }

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
            file.write(_CONFIGURATION.format(**self._values, **self.ports))
        self._process = subprocess.Popen([*launcher(), self._path, "-F", "-c", configuration])
        deadline = time.monotonic() + _START_SECONDS
        while not all(_listens(port) for port in self.ports.values()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(os.path.join(self._folder, "dovecot.log")) as log:
                    raise RuntimeError(f"dovecot did not start:\n{log.read()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False

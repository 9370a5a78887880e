"""Which user the servers run as: PostgreSQL and PgBouncer refuse to run as root."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from tuning.stack.errors import StackError

# The first of these that exists takes the servers when root starts the stack.
_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that servers run as; ``is_other`` when root has to drop to it."""

    name: str
    uid: int
    gid: int
    is_other: bool

    def own(self, path: Path) -> None:
        """Make a private directory that belongs to this user."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def give(self, path: Path) -> None:
        """Make an existing file readable by this user alone."""
        path.chmod(0o600)
        if self.is_other:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """The caller, or for root the first unprivileged user that this machine has.

    Raises:
        StackError: root, and none of the candidates exists.
    """
    if os.geteuid() != 0:
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid(), is_other=False)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, is_other=True)
    raise StackError(f"PostgreSQL refuses to run as root, and none of these users exists: {', '.join(_CANDIDATES)}")

"""Where an instance of the stack keeps its files."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tuning.stack.errors import StackError

ROOT_STATE = Path("/var/lib/hotrow")
"""root's state: PostgreSQL runs as another user, who cannot pass through /root."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


def state_root() -> Path:
    """The user's state directory for hotrow (XDG Base Directory Specification)."""
    if given := os.environ.get("HOTROW_STATE_DIR"):
        return Path(given).expanduser().resolve()
    if os.geteuid() == 0:
        return ROOT_STATE
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "hotrow"


@dataclass(frozen=True, slots=True)
class InstancePaths:
    """The files of one instance, all of them below ``root``."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "InstancePaths":
        if not _NAME.fullmatch(name):
            raise StackError(f"{name!r} is no instance name: use lower-case letters, digits, - and _")
        return cls(state_root() / name)

    @property
    def record(self) -> Path:
        return self.root / "stack.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets.json"

    @property
    def pgpass(self) -> Path:
        return self.root / "pgpass"

    @property
    def tuned(self) -> Path:
        """With the data, so that a fresh instance has its profile's settings."""
        return self.root / "data" / "tuned.json"

    def data(self, part: str) -> Path:
        return self.root / "data" / part

    def log(self, part: str) -> Path:
        return self.root / "log" / f"{part}.log"

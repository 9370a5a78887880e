"""A PostgreSQL of the tool's own, of the target's major version, for as long as a proof takes."""

import secrets as chance
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tuning.stack import binaries, postgres
from tuning.stack.accounts import server_account
from tuning.stack.errors import StackError
from tuning.stack.packages import DEBIAN_POSTGRES
from tuning.stack.paths import state_root
from tuning.stack.ports import free_port
from tuning.stack.secrets import load_or_make

# What is lost in a crash is made again: nothing of it waits for the disk. Autovacuum would change plans between two
# looks. How many full-page images a write makes depends on when the last checkpoint was: without them WAL compares.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "128MB",
    "max_connections": "10",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Scratch:
    """Its superuser's address, but for the database, and its programs."""

    conninfo: str
    binaries: binaries.PostgresBinaries


def programs(major: int, directory: Path | None) -> binaries.PostgresBinaries:
    """The programs of a PostgreSQL of this major version: those that are named, the embedded ones, or Debian's.

    Raises:
        StackError: There are none of that version.
    """
    if directory is not None:
        found = binaries.postgres(directory, server_account())
        if found.major != major:
            raise StackError(
                f"{directory} is PostgreSQL {found.version}, and the target is {major}: a copy needs the same version"
            )
        return found
    seen = []
    for candidate in (None, DEBIAN_POSTGRES / str(major) / "bin"):
        try:
            found = binaries.postgres(candidate, server_account())
        except StackError:
            continue
        if found.major == major:
            return found
        seen.append(found.version)
    raise StackError(
        f"the target is PostgreSQL {major}, and here is {' and '.join(seen) or 'none'}: name the bin directory of a "
        f"PostgreSQL {major} with --postgres-bin, or a server that has a copy with --scratch-dsn"
    )


@contextmanager
def server(found: binaries.PostgresBinaries, tell: Callable[[str], None]) -> Iterator[Scratch]:
    """Start an empty server; it and its files are gone after the block, however that ends.

    Raises:
        StackError: It does not start.
    """
    root = state_root() / f"whatif-{chance.token_hex(6)}"
    root.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    child = None
    try:
        root.mkdir(mode=0o711)
        tell(f"starting a PostgreSQL {found.version} for the copy")
        keys = load_or_make(root / "secrets.json")
        made = postgres.Server(root / "data", free_port(), root / "postgres.log")
        child = postgres.start_primary(made, found, server_account(), SETTINGS, keys)
        yield Scratch(made.conninfo(postgres.SUPERUSER, keys.superuser, postgres.SUPERUSER), found)
    finally:
        if child is not None:
            child.stop()
        shutil.rmtree(root, ignore_errors=True)

"""A server that archives, and the scripts of its image run as the server's user."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.integration.bare import bare
from tuning.stack import postgres
from tuning.stack.accounts import Account, server_account
from tuning.stack.binaries import postgres as postgres_binaries
from tuning.stack.stack import Stack


class Vault:
    """Where segments and base backups are kept; ``execute`` is the superuser's connection to the server."""

    def __init__(self, root: Path) -> None:
        self.account: Account = server_account()
        self.root = root
        self.archive, self.backups, self.scripts = root / "archive", root / "backups", root / "scripts"
        for directory in (root, self.archive, self.backups):
            self.account.own(directory)
        # The servers' user cannot pass through every checkout.
        shutil.copytree(postgres.FILES, self.scripts)
        for path in (self.scripts, *self.scripts.iterdir()):
            path.chmod(0o755)
        self.archive_command = f"ARCHIVE={self.archive} sh {self.scripts}/archive.sh %p %f"
        self.stack: Stack | None = None

    def run(self, script: str, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the image as the server's user."""
        with self.start(script, *arguments, **changes) as process:
            try:
                out, err = process.communicate(timeout=90)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, script: str, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        programs = postgres_binaries(None, self.account).directory
        given = {"ARCHIVE": str(self.archive), "BACKUPS": str(self.backups), **self._servers(), **changes}
        return subprocess.Popen(
            ["sh", str(self.scripts / script), *arguments],
            env={"PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C", **given},
            cwd=self.root,
            user=self.account.uid if self.account.is_other else None,
            group=self.account.gid if self.account.is_other else None,
            extra_groups=[] if self.account.is_other else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def execute(self, statement: str) -> object:
        assert self.stack is not None
        with psycopg.connect(self.stack.superuser, dbname=postgres.DATABASE, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]  # written in the tests
            return (cursor.fetchone() or (None,))[0] if cursor.description else None

    def _servers(self) -> dict[str, str]:
        if self.stack is None:
            return {}
        secrets = self.stack._secrets
        return {
            "SOURCE": make_conninfo(
                self.stack.superuser, user=postgres.REPLICATION_ROLE, password=secrets.replicator, dbname=None
            ),
            "MONITOR": make_conninfo(
                self.stack.superuser, user=postgres.MONITOR_ROLE, password=secrets.monitor, dbname=postgres.DATABASE
            ),
        }


@contextmanager
def vault(root: Path) -> Iterator[Vault]:
    """A fresh server with the kit's schema that archives to a vault."""
    made = Vault(root)
    archiving = {"archive_mode": "on", "archive_command": made.archive_command}
    with bare("backup", **archiving) as stack:
        made.stack = stack
        yield made

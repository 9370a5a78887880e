"""A Django project of its own that has nothing but SQL files and a database."""

import copy
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from psycopg.conninfo import conninfo_to_dict

ALIAS = "project"


class Project:
    """Its files, its database, and its operations, applied in this process or in another."""

    def __init__(self, conninfo: str, superuser: str, root: Path) -> None:
        self.conninfo = conninfo
        self.superuser = superuser
        self.root = root
        self.connect(conninfo)

    def connect(self, conninfo: str) -> None:
        """Connect Django's alias to another address."""
        if hasattr(connections._connections, ALIAS):
            self.connection.close()
        given = conninfo_to_dict(conninfo)
        settings = copy.deepcopy(connections["default"].settings_dict)
        settings |= {
            "NAME": given["dbname"],
            "USER": given["user"],
            "PASSWORD": given["password"],
            "HOST": given["host"],
            "PORT": given["port"],
            "OPTIONS": {"application_name": "migrator"},
        }
        connections[ALIAS] = DatabaseWrapper(settings, ALIAS)

    @property
    def connection(self) -> DatabaseWrapper:
        return connections[ALIAS]

    def write(self, path: str, text: str, *, listed: bool = True) -> str:
        """Write a file and list it."""
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        if listed:
            with (self.root / "MANIFEST").open("a") as manifest:
                manifest.write(f"{hashlib.sha256(text.encode()).hexdigest()}  {path}\n")
        return path

    def execute(self, *statements: str) -> list[tuple]:
        """Run statements as the tables' owner; returns the rows of the last."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str) -> object:
        return self.execute(statement)[0][0]

    def session(self, **options: object) -> psycopg.Connection:
        """A session of the superuser in this database, in a transaction once it runs something."""
        return psycopg.connect(self.superuser, application_name="shop", **options)

    def forwards(self, operation: Operation, *, atomic: bool = False, collect_sql: bool = False) -> list[str]:
        return self._run(operation.database_forwards, atomic, collect_sql)

    def backwards(self, operation: Operation, *, atomic: bool = False, collect_sql: bool = False) -> list[str]:
        return self._run(operation.database_backwards, atomic, collect_sql)

    def start(self, operation: str) -> subprocess.Popen[str]:
        """Apply an operation in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.integration.operations.migrator", self.conninfo, str(self.root), operation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={key: value for key, value in os.environ.items() if not key.startswith(("HOTROW_", "DJANGO_"))},
        )

    def _run(self, method: Callable[..., None], atomic: bool, collect_sql: bool) -> list[str]:
        with self.connection.schema_editor(atomic=atomic, collect_sql=collect_sql) as editor:
            method("project", editor, ProjectState(), ProjectState())
        return editor.collected_sql if collect_sql else []

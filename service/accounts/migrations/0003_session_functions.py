"""Create the SQL functions that open, refresh and end sessions."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import RunSQLFile

FUNCTIONS = ("end_session", "end_sessions", "open_session", "purge_sessions", "refresh_session")


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0002_sessions")]
    operations: ClassVar = [RunSQLFile(f"functions/{name}_v1.sql") for name in FUNCTIONS]

"""Refuse to start on a database that lacks migrations: ``python -m service.manage require_migrations``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class Command(BaseCommand):
    help = "Exit with 1 and one line unless the database has every migration of this release."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError as error:
            raise CommandError(f"The database does not tell its migrations: {str(error).splitlines()[0]}") from error
        if plan:
            first = plan[0][0]
            raise CommandError(
                f"The database lacks {len(plan)} migrations, the first is {first.app_label}.{first.name}: "
                "run `migrate` and `grant_access` as the migrator first"
            )

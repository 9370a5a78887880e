"""Give roles what their kinds need: ``python -m service.manage grant_access hotrow_app=app``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection, transaction


class Command(BaseCommand):
    help = "Give each role what its kind needs, and take away the rest; after each migrate, as the tables' owner."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "roles", nargs="+", metavar="ROLE=KIND", help="kinds are app, admin, lab, readonly and none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        pairs = [text.partition("=")[::2] for text in options["roles"]]
        if unclear := [role for role, kind in pairs if not role or not kind]:
            raise CommandError(f"{unclear[0] or '='}: write ROLE=KIND, such as hotrow_app=app")
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for role, kind in pairs:
                    cursor.execute("SELECT grant_access_v1(%s, %s)", [role, kind])
        except DatabaseError as error:
            raise CommandError(f"The rights were not given: {str(error).splitlines()[0]}") from error
        self.stdout.write(f"Gave {len(pairs)} roles their rights.")

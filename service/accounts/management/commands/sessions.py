"""Look after sessions: ``python -m service.manage sessions purge``, or ``end`` those of a user."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from service.accounts import sessions
from service.accounts.models import User


class Command(BaseCommand):
    help = "Delete refresh tokens and sessions that are over, or end all sessions of a user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("purge", help="delete what is over; run it daily")
        ending = actions.add_parser("end", help="end all sessions of a user")
        ending.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "purge":
                self.stdout.write(f"Deleted {sessions.purge():,} rows.")
                return
            user = User.objects.filter(username=options["username"]).first()
            if user is None:
                raise CommandError(f"There is no user {options['username']}")
            self.stdout.write(f"Ended {sessions.end_all(user.pk, 'operator'):,} sessions of {user.username}.")
        except DatabaseError as error:
            raise CommandError(f"The database refused it: {str(error).strip()}") from error

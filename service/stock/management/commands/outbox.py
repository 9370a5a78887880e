"""Look after dead letters: ``python -m service.manage outbox``."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from service.db.retries import disconnect
from service.stock import outbox

MAX_BIGINT = 2**63 - 1


class Command(BaseCommand):
    help = "List the events that were given up, or send them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", nargs="*", type=int, metavar="ID", help="send these again; without ids, all")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        ids: list[int] | None = options["retry"]
        if any(not 1 <= each <= MAX_BIGINT for each in ids or []):
            raise CommandError("--retry takes the ids that `outbox` lists")
        try:
            if ids is None:
                self._list(as_json=options["as_json"])
            else:
                self._retry(ids, as_json=options["as_json"])
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).strip()}") from error
        finally:
            disconnect()

    def _list(self, *, as_json: bool) -> None:
        found = outbox.dead_letters()
        if as_json:
            rows = [
                {"id": each.event_id, "event": each.event, "attempts": each.attempts, "last_error": each.last_error}
                | {"dead_at": each.dead_at.isoformat()}
                for each in found
            ]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for each in found:
            self.stdout.write(f"{each.event_id} {each.event}, {each.attempts} attempts: {each.last_error}")
        self.stdout.write(f"{len(found):,} dead letters" + ("; --retry sends them again." if found else "."))

    def _retry(self, ids: list[int], *, as_json: bool) -> None:
        count = outbox.retry(ids or None)
        if as_json:
            self.stdout.write(json.dumps({"sent_again": count}))
        else:
            self.stdout.write(f"{count:,} dead letters are sent again.")
        if ids and count < len(set(ids)):
            raise CommandError(f"{len(set(ids)) - count:,} of the ids are no dead letters: `outbox` lists what is")

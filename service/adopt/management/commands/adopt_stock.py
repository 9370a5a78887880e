"""Put the functions on this project's tables: ``python manage.py adopt_stock``."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import mapping
from service.adopt.apply import apply, missing, recorded
from service.adopt.check import problems
from service.adopt.errors import AdoptionError
from service.adopt.inspection import Adopted, inspect
from service.adopt.plan import steps
from service.adopt.proposal import propose
from service.adopt.revert import revert


class Command(BaseCommand):
    help = (
        "Put the kit's functions and indexes on this project's own tables, live. Without an option it prints the plan "
        "and changes nothing; connect past PgBouncer, as the tables' owner."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--propose", action="store_true", help="guess a map, and write it to --map or print it")
        what.add_argument("--apply", action="store_true", help="do what is missing; safe to repeat after any stop")
        what.add_argument("--check", action="store_true", help="exit with 1 unless all is there and both sides agree")
        what.add_argument("--revert", action="store_true", help="take it away; the project's table keeps its data")
        parser.add_argument("--map", metavar="FILE", help="the map; left out, the one that was begun with")
        parser.add_argument("--release-holds", action="store_true", help="with --revert: give open holds' units back")
        parser.add_argument(
            "--database", default=DEFAULT_DB_ALIAS, choices=list(connections), help="an alias of DATABASES"
        )
        parser.add_argument("--json", action="store_true", help="the plan or the check for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["release_holds"] and not options["revert"]:
            raise CommandError("--release-holds goes with --revert")
        connection = connections[options["database"]]
        try:
            if options["propose"]:
                self._propose(connection, options["map"])
                return
            adopted = inspect(connection, self._map(connection, options["map"]))
            if options["apply"]:
                self._warn(adopted)
                apply(connection, adopted, self._say)
                self._say("Adopted. `adopt_stock --check` compares both sides at any time.")
            elif options["check"]:
                self._check(connection, adopted, as_json=options["json"])
            elif options["revert"]:
                archive = revert(connection, adopted, self._say, release_holds=options["release_holds"])
                self._say(
                    f"Reverted. The kit's tables and their rows are in the schema {archive}: drop it when you like."
                )
            else:
                self._print(connection, adopted, as_json=options["json"])
        except AdoptionError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"the database refused: {str(error).strip()}\nWhat was done stays; run the command again to go on."
            ) from error
        finally:
            connection.close()

    def _map(self, connection: BaseDatabaseWrapper, name: str | None) -> mapping.Map:
        if name is not None:
            try:
                return mapping.parse(Path(name).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise AdoptionError(f"{name} cannot be read: {error}") from error
        begun = recorded(connection)
        if begun is None:
            raise AdoptionError("nothing is adopted yet: name a map with --map, which --propose writes to start from")
        return begun

    def _propose(self, connection: BaseDatabaseWrapper, name: str | None) -> None:
        text = mapping.render(*propose(connection))
        if name is None:
            self.stdout.write(text, ending="")
            return
        try:
            with Path(name).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise AdoptionError(f"{name} exists: a map that somebody may have corrected is not overwritten") from None
        except OSError as error:
            raise AdoptionError(f"{name} cannot be written: {error.strerror}") from error
        self._say(f"Wrote {name}: read it, correct it, then run adopt_stock --map {name} to see the plan.")

    def _print(self, connection: BaseDatabaseWrapper, adopted: Adopted, *, as_json: bool) -> None:
        planned = [(step, missing(connection, step)) for step in steps(connection, adopted)]
        if as_json:
            told = [
                {
                    **{name: getattr(step, name) for name in ("name", "purpose", "lock", "duration", "undo", "mode")},
                    "statements": [statement for item in items for statement in item.statements],
                }
                for step, items in planned
            ]
            self.stdout.write(json.dumps({"warnings": adopted.warnings, "steps": told}, indent=2))
            return
        self._warn(adopted)
        for number, (step, items) in enumerate(planned, start=1):
            self.stdout.write(f"{number}. {step.name}: {step.purpose}")
            self.stdout.write(f"   lock: {step.lock}\n   takes: {step.duration}; {step.mode}\n   undo: {step.undo}")
            if not items:
                self.stdout.write("   all of it is there")
            for item in items:
                for statement in item.statements:
                    self.stdout.write("   " + "\n   ".join(statement.strip().rstrip(";").splitlines()) + ";")
        self.stdout.write("Nothing was changed; --apply does what is not there.")

    def _check(self, connection: BaseDatabaseWrapper, adopted: Adopted, *, as_json: bool) -> None:
        found = problems(connection, adopted)
        if as_json:
            self.stdout.write(json.dumps({"ok": not found, "problems": found}, indent=2))
        if found:
            raise CommandError("\n".join(found))
        if not as_json:
            self._say("All of it is there, and both sides agree.")

    def _warn(self, adopted: Adopted) -> None:
        for warning in adopted.warnings:
            self.stderr.write(f"Note: {warning}")

    def _say(self, message: str) -> None:
        self.stdout.write(message)
        # Whoever runs this through a pipe wants to see how far it is.
        self.stdout.flush()

"""Apply a stock feed: ``python -m service.manage stock_feed deliveries.jsonl``."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.db import Error as AnyDatabaseError

from service.db.retries import disconnect, repeated
from service.db.sqlstates import INVALID_REQUEST, sqlstate
from service.stock import feed
from service.stock.supply import Outcome, Result

# Six tries wait for 15 s in all: a failover, not an outage.
TRIES = 6

_ADVICE = {
    Outcome.BELOW_COMMITTED: "fewer units are free than should go: take fewer, or wait until holds have ended",
    Outcome.VERSION_CONFLICT: "the counter has changed since it was counted: count again, and use a new key",
    Outcome.UNKNOWN_PRODUCT: "there is no such product or warehouse; a shop with several warehouses must name one",
}


class Command(BaseCommand):
    help = "Apply a stock feed of JSON lines; safe to run again. Goes on after a refused line, and then exits with 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="JSON lines; - for standard input")
        parser.add_argument("--json", action="store_true", help="print a JSON object for each line")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = refused = 0
        try:
            with _opened(options["file"]) as file:
                for number, change in feed.read(file):
                    report = self._apply(number, change)
                    lines += 1
                    refused += report["outcome"] not in {Outcome.APPLIED, Outcome.REPLAYED}
                    self.stdout.write(json.dumps(report) if options["json"] else _sentence(report))
                    # Whoever feeds through a pipe may wait for this answer before the next line.
                    self.stdout.flush()
        finally:
            disconnect()
        if refused:
            raise CommandError(f"{refused:,} of {lines:,} lines were refused; the others are applied.")

    def _apply(self, number: int, change: feed.Change | feed.Malformed) -> dict[str, Any]:
        if isinstance(change, feed.Malformed):
            return {"line": number, "outcome": "malformed", "detail": change.reason}
        report: dict[str, Any] = {"line": number, "key": change.key}
        try:
            result: Result | None = repeated(change.apply, _pause, tries=TRIES)
        except AnyDatabaseError as error:
            if sqlstate(error) == INVALID_REQUEST and isinstance(error, DatabaseError):
                return report | {"outcome": "malformed", "detail": str(error).splitlines()[0]}
            raise CommandError(
                f"line {number}: the database does not answer: {str(error).strip()}\n"
                "Run the same file again: lines that were applied answer replayed, and change nothing."
            ) from error
        assert result is not None
        report |= {"outcome": result.outcome, "available": result.available, "version": result.version}
        if result.outcome in _ADVICE:
            report["detail"] = _ADVICE[result.outcome]
        return report


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _sentence(report: dict[str, Any]) -> str:
    parts = [f"line {report['line']}: {report['outcome']}"]
    if report.get("version") is not None:
        parts.append(f"available {report['available']:,}, version {report['version']:,}")
    return "; ".join([*parts, *([report["detail"]] if "detail" in report else [])])


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115  # an error of the caller's body is not the file's
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
    with file:
        yield file

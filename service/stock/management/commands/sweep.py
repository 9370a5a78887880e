"""End due holds: ``python -m service.manage sweep``."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from service.db.retries import disconnect
from service.stock.sweeper import TRIES_ONCE, Sweeper

MAX_BATCH = 10_000  # of expire_reservations_v1
MAX_INTERVAL_S = 60.0  # a due hold is ended within a minute (invariant 11)


class Command(BaseCommand):
    help = "End due holds and give their units back; any number of sweepers may run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end what is due now, and exit")
        parser.add_argument("--batch", type=int, default=500, help="holds in one statement (default: 500)")
        parser.add_argument("--interval-s", type=float, default=1.0, help="seconds between sweeps (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["batch"] <= MAX_BATCH:
            raise CommandError(f"--batch must be from 1 to {MAX_BATCH:,}")
        if not 0 < options["interval_s"] <= MAX_INTERVAL_S:
            raise CommandError(f"--interval-s must be above 0, and {MAX_INTERVAL_S:g} at the most")
        stop = threading.Event()
        previous = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGTERM, signal.SIGINT)}
        sweeper = Sweeper(options["batch"], stop)
        try:
            if options["once"]:
                done = sweeper.sweep(TRIES_ONCE)
                self.stdout.write(f"Ended {done.ended:,} holds; the oldest was {done.lag_s:.1f} s overdue.")
            else:
                sweeper.run(options["interval_s"])
        except DatabaseError as error:
            raise CommandError(f"The database refused the sweep: {str(error).strip()}") from error
        finally:
            disconnect()
            for each, handler in previous.items():
                signal.signal(each, handler)

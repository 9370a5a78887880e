"""Put the command groups together and turn errors into words and exit codes."""

import os
import sys

import typer

from tuning.cli import (
    advise,
    bench,
    chain,
    demo,
    diagnose,
    explain,
    failover,
    index,
    ladder,
    lint,
    migrations,
    observe,
    plans,
    psql,
    rules,
    settings,
    stack,
    verify,
)
from tuning.cli.console import fail
from tuning.stack.errors import StackError
from tuning.stack.supervisor import Stopped, ending_on_signals

EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="hotrow",
    help="Tune Django services on PostgreSQL whose writes pile up on a few hot rows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
stack.register(app)
demo.register(app)
verify.register(app)
psql.register(app)
bench.register(app)
ladder.register(bench.bench)
migrations.register(app)
lint.register(migrations.migrations)
chain.register(app)
diagnose.register(app)
explain.register(app)
advise.register(app)
failover.register(app)
index.register(app)
plans.register(app)
observe.register(app)
rules.register(app)
settings.register(app)


def main() -> None:
    """Run the command line."""
    try:
        with ending_on_signals():
            app()
    except Stopped as stopped:
        fail(f"stopped by {stopped}; everything that was started has ended")
        sys.exit(EXIT_INTERRUPTED)
    except (StackError, ValueError) as error:
        fail(str(error))
        sys.exit(1)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    finally:
        _flush()


def _flush() -> None:
    """Print what is left; where the terminal is gone, keep Python from exiting with 120 for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()

"""``hotrow verify``: every invariant of the stock tables, checked in one snapshot."""

from dataclasses import asdict
from typing import Annotated

import psycopg
import typer
from rich.table import Table

from tuning.cli.console import err, fail, out, print_json
from tuning.observe import audit
from tuning.stack.errors import StackError

# A drift of many counters has one cause: the first ones tell it.
SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    dsn: Annotated[str, typer.Option(help="A libpq connection string; --repair needs the tables' owner.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Set drifted counters right, with a ledger row each.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Check each invariant with one SQL statement; exit 1 if one does not hold."""
    try:
        if repair:
            for stock_id in audit.repair(dsn):
                err.print(f"Repaired the counters of stock {stock_id}.", markup=False)
        results = audit.check(dsn)
    except psycopg.Error as error:
        raise StackError(f"the database cannot be checked: {str(error).strip()}") from error
    broken = [result for result in results if result.violations]
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        table = Table("invariant", "result")
        for result in results:
            table.add_row(result.invariant, f"{len(result.violations)} violations" if result.violations else "holds")
        out.print(table)
        for result in broken:
            for detail in result.violations[:SHOWN]:
                out.print(f"{result.invariant}: {detail}", markup=False)
            if len(result.violations) > SHOWN:
                out.print(f"{result.invariant}: and {len(result.violations) - SHOWN} more", markup=False)
    if broken:
        fail(f"{len(broken)} of {len(results)} invariants do not hold")
        raise typer.Exit(1)

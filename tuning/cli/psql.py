"""``hotrow psql``: a psql session on the running stack, as one of its roles."""

import os
import shutil
from typing import Annotated

import typer
from psycopg.conninfo import make_conninfo

from tuning.stack import binaries, postgres, record
from tuning.stack.accounts import server_account
from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths


def register(app: typer.Typer) -> None:
    app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(psql)


def psql(
    context: typer.Context,
    instance: Annotated[str, typer.Option(help="Name of the instance.")] = "default",
    role: Annotated[
        str, typer.Option(help=f"One of {', '.join(postgres.GRANTED_ROLES)}, or migrator for the tables' owner.")
    ] = "app",
) -> None:
    """Open psql on the stack, through PgBouncer where it runs; further arguments are psql's own.

    The migrator connects directly: its work is not for a pool.
    """
    user = postgres.MIGRATOR_ROLE if role == "migrator" else postgres.GRANTED_ROLES.get(role)
    if user is None:
        raise StackError(f"there is no role {role!r}: choose migrator or one of {', '.join(postgres.GRANTED_ROLES)}")
    paths = InstancePaths.of(instance)
    found = record.read(paths.record)
    if found is None or found.state != "ready" or not record.is_held(paths):
        raise StackError(f"instance {instance} is not running: `hotrow up --instance {instance}` starts it")
    addresses = {part.name: part.address for part in found.parts}
    address = addresses["primary"] if role == "migrator" else addresses.get("pgbouncer") or addresses["primary"]
    conninfo = make_conninfo(address, user=user)
    program = _program()
    os.execv(program, [program, "--dbname", conninfo, *context.args])  # noqa: S606  # psql takes the terminal over


def _program() -> str:
    """The psql on PATH, else the one beside the stack's own PostgreSQL."""
    found = shutil.which("psql")
    if found is not None:
        return found
    beside = binaries.postgres(None, server_account()).directory / "psql"
    if not beside.is_file():
        raise StackError("there is no psql: install PostgreSQL's client package")
    return str(beside)

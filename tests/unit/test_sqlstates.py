"""Every SQLSTATE that a fault brings, and whether the same request may succeed later."""

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, ProgrammingError
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from service.db.sqlstates import is_connection_lost, is_read_only, is_transient, sqlstate


def wrapped(error: Exception, kind: type[DatabaseError] = OperationalError) -> DatabaseError:
    """As Django raises what psycopg raised."""
    made = kind(*error.args)
    made.__cause__ = error
    return made


def of_state(state: str) -> DatabaseError:
    return wrapped(psycopg.errors.lookup(state)("x"))


PASSES = [
    "08000",
    "08006",
    "08P01",  # PgBouncer: query_wait_timeout, no more connections allowed, server conn crashed
    "25006",
    "25P03",
    "25P04",
    "40001",
    "40P01",
    "53000",
    "53100",
    "53200",
    "53300",
    "55P03",
    "57014",
    "57P01",
    "57P02",
    "57P03",
    "57P05",
]
STAYS = ["22003", "23505", "23514", "42601", "42P01", "42501", "XX000"]


def looked_up(state: str) -> DatabaseError:
    try:
        return of_state(state)
    except KeyError:
        # transaction_timeout is younger than some drivers.
        error = psycopg.OperationalError("x")
        error.sqlstate = state
        return wrapped(error)


@pytest.mark.parametrize("state", PASSES)
def test_state_that_passes_is_transient(state: str) -> None:
    assert sqlstate(looked_up(state)) == state
    assert is_transient(looked_up(state))


@pytest.mark.parametrize("state", STAYS)
def test_state_that_stays_is_not_transient(state: str) -> None:
    assert not is_transient(looked_up(state))


@pytest.mark.parametrize(
    "error", [PoolTimeout("x"), TooManyRequests("x"), PoolClosed("x"), psycopg.OperationalError("x")]
)
def test_pool_and_socket_are_transient(error: Exception) -> None:
    assert is_transient(wrapped(error))


@pytest.mark.parametrize("kind", [ProgrammingError, IntegrityError, DatabaseError])
def test_error_without_a_state_is_not_transient_unless_operational(kind: type[DatabaseError]) -> None:
    assert not is_transient(kind("x"))


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (of_state("57P01"), True),
        (of_state("08006"), True),
        (wrapped(psycopg.OperationalError("the connection is closed")), True),
        (wrapped(PoolTimeout("x")), False),
        (of_state("55P03"), False),
        (of_state("25006"), False),
    ],
)
def test_connection_is_lost_only_where_the_outcome_is_unknown(error: DatabaseError, is_lost: bool) -> None:
    assert is_connection_lost(error) is is_lost


def test_read_only_server_is_known_by_its_state() -> None:
    assert is_read_only(of_state("25006"))
    assert not is_read_only(of_state("57P01"))

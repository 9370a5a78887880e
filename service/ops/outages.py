"""What a request is answered when the database fails it, in the API and in every other view."""

import logging
import sys

from django.db import Error as DatabaseError
from django.db import connections
from django.http import HttpRequest, HttpResponse

from service.db.sqlstates import is_read_only, is_transient, sqlstate
from service.front.deadline import DeadlinePassed
from service.metrics.instruments import DATABASE_ERRORS
from service.ops.problems import Problem, response

logger = logging.getLogger(__name__)
RETRY_AFTER_S = 1
# The first two characters of a SQLSTATE tell what kind of error it is (appendix A of the manual).
SQLSTATE_CLASS = 2


def answer(error: DatabaseError) -> HttpResponse:
    """503 with Retry-After for what passes by itself, and 500 for what is a fault of ours."""
    state = sqlstate(error)
    DATABASE_ERRORS.labels(state[:SQLSTATE_CLASS] if state else "none").inc()
    if not is_transient(error):
        logger.error("database error %s", sqlstate(error), exc_info=error)
        return response(Problem(500, "internal", "The request failed; it was logged."))
    logger.warning("database unavailable: %s %s", sqlstate(error), error)
    if is_read_only(error):
        _leave_read_only_server()
    return response(Problem(503, "busy", "The database is busy or away; try again.", retry_after_s=RETRY_AFTER_S))


def too_late(error: DeadlinePassed) -> HttpResponse:
    """503 as well: nothing was done that the same request would not find again."""
    return response(Problem(503, error.code, str(error), retry_after_s=error.retry_after_s))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``: called for whatever no view answered, while the error is being handled."""
    error = sys.exc_info()[1]
    if isinstance(error, DatabaseError):
        return answer(error)
    if isinstance(error, DeadlinePassed):
        return too_late(error)
    return response(Problem(500, "internal", "The request failed; it was logged."))


def _leave_read_only_server() -> None:
    """Close this request's connections: after a failover the old primary still answers, and refuses each write.

    A pool replaces a connection that comes back closed; as many requests meet it as the pool has
    connections.
    """
    for each in connections.all(initialized_only=True):
        if each.connection is not None:
            each.connection.close()

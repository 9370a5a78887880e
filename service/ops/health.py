"""Liveness and readiness.

``/healthz`` speaks of the process alone: if it asked the database, an outage there would restart
every worker here.
"""

from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from service.cache.answers import answers
from service.front.counts import counts
from service.ops.outages import RETRY_AFTER_S
from service.ops.problems import Problem, response

_POOL_STATISTICS = ("pool_size", "pool_available", "requests_waiting")


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when a request could be served: the database answers, and the worker goes on; the cache is advisory.

    In mode ``pool`` it tells of this worker's pool, as it was before this request took a connection.
    """
    if counts.is_draining:
        return response(Problem(503, "draining", "This worker is about to end.", retry_after_s=RETRY_AFTER_S))
    parts: dict[str, Any] = {}
    if (pool := connection.pool) is not None:  # type: ignore[attr-defined]  # of the PostgreSQL backend
        statistics = pool.get_stats()
        parts["pool"] = {name: statistics.get(name, 0) for name in _POOL_STATISTICS}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database = "ok"
    except DatabaseError as error:
        database = type(error).__name__
    parts |= {"database": database, "cache": "ok" if answers().is_well() else "off"}
    if database == "ok":
        return JsonResponse(parts)
    return response(Problem(503, "not_ready", "The database does not answer.", retry_after_s=RETRY_AFTER_S, **parts))

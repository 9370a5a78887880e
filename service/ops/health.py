"""Liveness and readiness.

``/healthz`` speaks of the process alone: if it asked the database, an outage there would restart
every worker here.
"""

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse

from service.cache.answers import answers


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when a request could be served: the database answers; the cache is advisory."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database = "ok"
    except DatabaseError as error:
        database = type(error).__name__
    parts = {"database": database, "cache": "ok" if answers().is_well() else "off"}
    return JsonResponse(parts, status=200 if database == "ok" else 503)

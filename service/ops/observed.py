"""The outermost middleware: the request's id, its time, its line in the access log, and Server-Timing."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

from service.config.environment import environment
from service.db import statements
from service.logs import request_id
from service.metrics.instruments import REQUEST_SECONDS
from service.ops.access_log import AccessLog
from service.ops.server_timing import Timing

# A label takes no value that a client may choose.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"


class Observed:
    """One middleware for all of it: each more would cost a request 1 us."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        env = environment()
        self._get_response = get_response
        self._is_counted = bool(env.metrics_bind)
        self._access_log = AccessLog(env.access_log_per_s)
        self._is_timed = env.server_timing or env.debug
        self._children: dict[tuple[str, str, int], Histogram] = {}
        if self._is_timed:
            statements.install()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request_id.accepted(request.META.get("HTTP_X_REQUEST_ID"))
        token = request_id.current.set(name)
        began = time.perf_counter()
        try:
            response = self._timed(request, began) if self._is_timed else self._get_response(request)
            duration_s = time.perf_counter() - began
            response[request_id.HEADER] = name
            match = request.resolver_match
            route = NO_ROUTE if match is None else match.route
            if self._is_counted:
                self._count(request, route, response.status_code, duration_s)
            self._access_log.write(request, route, response, duration_s)
            return response
        finally:
            request_id.current.reset(token)

    def _timed(self, request: HttpRequest, began: float) -> HttpResponse:
        timing = Timing()
        with timing.watching():
            response = self._get_response(request)
        response["Server-Timing"] = timing.header(time.perf_counter() - began)
        return response

    def _count(self, request: HttpRequest, route: str, status: int, duration_s: float) -> None:
        method = request.method if request.method in METHODS else "other"
        key = (method or "other", route, status // 100)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = REQUEST_SECONDS.labels(key[0], route, f"{key[2]}xx")
        child.observe(duration_s)

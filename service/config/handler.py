"""Django's WSGI handler, with a shorter way to the views that a flash sale calls all the time.

Every middleware and the view run as they always do. What such a request is spared is the search for a route that is
known beforehand, and the signals around a request: Django's receivers ask each database and cache four times whether
there is something to end (docs/adr/0039).
"""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver


class Handler(WSGIHandler):
    """Answers a direct route without the resolver and the signals, and every other as Django does.

    With ``DEBUG`` all go Django's way, which forgets the queries of the last request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._routes = Routes([] if settings.DEBUG else get_resolver().url_patterns)

    # The stubs promise a response; WSGI asks for its bytes, and a response would send the signal when it is closed.
    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:  # type: ignore[override]
        match = self._routes.match(environ["PATH_INFO"])
        if match is None:
            return super().__call__(environ, start)
        close_old_connections()
        try:
            request = self.request_class(environ)
            request.resolver_match = match
            response = self.get_response(request)
        finally:
            close_old_connections()
        # A direct view has no stream to answer with.
        assert isinstance(response, HttpResponse)
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start(f"{response.status_code} {response.reason_phrase}", [*response.items(), *cookies])
        return [response.content]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        return request.resolver_match or super().resolve_request(request)


class Routes:
    """The direct routes among these patterns of the URL root."""

    def __init__(self, patterns: Iterable[URLPattern | URLResolver]) -> None:
        self._made: dict[str, ResolverMatch] = {}
        self._patterns: list[URLPattern] = []
        for pattern in patterns:
            if isinstance(pattern, URLPattern) and getattr(pattern.callback, "is_direct", False):
                # A path without parameters has one match, which is made here.
                match = pattern.resolve(str(pattern.pattern))
                if match is not None and not match.kwargs:
                    self._made[f"/{pattern.pattern}"] = match
                else:
                    self._patterns.append(pattern)

    def match(self, path: str) -> ResolverMatch | None:
        """What the resolver would find for this path; None where that is no direct route."""
        made = self._made.get(path)
        if made is not None:
            return made
        return next((found for each in self._patterns if (found := each.resolve(path[1:]))), None)

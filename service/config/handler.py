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
from django.urls import ResolverMatch, URLPattern, get_resolver


class Handler(WSGIHandler):
    """Answers a direct route without the resolver and the signals, and every other as Django does.

    With ``DEBUG`` all go Django's way, which forgets the queries of the last request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._matches = {} if settings.DEBUG else direct_routes()

    # The stubs promise a response; WSGI asks for its bytes, and a response would send the signal when it is closed.
    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:  # type: ignore[override]
        if environ["PATH_INFO"] not in self._matches:
            return super().__call__(environ, start)
        close_old_connections()
        try:
            response = self.get_response(self.request_class(environ))
        finally:
            close_old_connections()
        # A direct view has no stream to answer with.
        assert isinstance(response, HttpResponse)
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start(f"{response.status_code} {response.reason_phrase}", [*response.items(), *cookies])
        return [response.content]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        match = self._matches.get(request.path_info)
        if match is None:
            return super().resolve_request(request)
        request.resolver_match = match
        return match


def direct_routes() -> dict[str, ResolverMatch]:
    """The routes of the URL root whose views are direct, by their path."""
    resolver = get_resolver()
    found = {}
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern) and getattr(pattern.callback, "is_direct", False):
            path = f"/{pattern.pattern}"
            found[path] = resolver.resolve(path)
    return found

"""``GET /metrics`` on an address of its own, before Django: the API is public, and this is not (ADR 25).

gunicorn listens on both addresses and gives each its own slots for connections, so that a scrape is
answered while the API's are all taken. What comes to this address reaches no view.
"""

from collections.abc import Callable, Iterable
from typing import Any

from service.metrics.exposition import CONTENT_TYPE, exposition
from service.ops.backlogs import Watch

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def beside(application: WSGI, bind: str) -> WSGI:
    """Serve metrics to whoever came through ``bind``, and the application to all others.

    Args:
        bind: Host and port; gunicorn's ``SERVER_PORT`` is the listening socket's, whatever the client says.
    """
    port = bind.rpartition(":")[2]
    watch = Watch()

    def served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["SERVER_PORT"] != port:
            return application(environ, start_response)
        if environ["PATH_INFO"] != "/metrics" or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]
        body = exposition(watch.metrics)
        start_response("200 OK", [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
        return [body]

    return served

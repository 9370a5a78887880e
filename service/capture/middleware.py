"""Capture the statements of a share of the requests, each request whole, so that a loop of queries shows."""

import logging
import random
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from service.capture.line import line
from service.capture.options import Options
from service.capture.redaction import Redaction
from service.capture.sink import Sink
from service.db import statements
from service.db.statements import Statement
from service.logs import request_id

logger = logging.getLogger(__name__)


class Capture:
    """A Django middleware; ``HOTROW_CAPTURE`` configures it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        options = Options.of(settings.HOTROW_CAPTURE)
        self._share = options.share
        self._redaction = Redaction(options.redacted, options.redacted_calls)
        self.sink = Sink(options.directory, options.max_bytes)
        self._has_failed = False
        statements.install()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if random.random() >= self._share:  # noqa: S311  # chance, not secrets
            return self._get_response(request)
        name = request_id.current.get() or request_id.made()
        with statements.watching(lambda statement: self._write(request, name, statement)):
            return self._get_response(request)

    def _write(self, request: HttpRequest, name: str, statement: Statement) -> None:
        # A lazy response may send statements while no view is known any more.
        match = request.resolver_match
        about = {"request_id": name, "route": None if match is None else match.route, "method": request.method}
        try:
            self.sink.write(line(statement, self._redaction, about))
        except Exception:
            # Whatever a parameter is, the request that sent it goes on.
            if not self._has_failed:
                self._has_failed = True
                logger.exception("a statement could not be written down")

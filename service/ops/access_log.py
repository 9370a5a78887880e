"""The access log: so many requests of a second, each fault, and how many were passed over."""

import hashlib
import logging
import time
from typing import Any

from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

FAULT = 500


class AccessLog:
    """Writes the lines of one worker.

    Args:
        per_s: Lines in a second at the most. The first of each second are written, so a quiet service
            is logged whole and a flash sale costs no more than that; faults are written always.
    """

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._second = 0
        self._left = 0
        self._skipped = 0

    def write(self, request: HttpRequest, route: str, response: HttpResponse, duration_s: float) -> None:
        if not self._has_room() and response.status_code != FAULT:
            self._skipped += 1
            return
        line: dict[str, Any] = {
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "duration_ms": round(duration_s * 1000, 2),
        }
        if (user := _user(request)) is not None:
            line["user_id"] = user
        if (outcome := getattr(response, "outcome", None)) is not None:
            line["outcome"] = outcome
        if (key := request.META.get("HTTP_IDEMPOTENCY_KEY")) is not None:
            # To find the retries of a request; who reads the log cannot send one.
            line["key_hash"] = hashlib.sha256(key.encode(errors="replace")).hexdigest()[:16]
        if self._skipped:
            line["skipped"], self._skipped = self._skipped, 0
        logger.log(logging.ERROR if response.status_code == FAULT else logging.INFO, "request", extra=line)

    def _has_room(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._left = second, self._per_s
        self._left -= 1
        return self._left >= 0


def _user(request: HttpRequest) -> int | None:
    """The id of who sent a token that was accepted, or of the staff member who is logged in."""
    user = getattr(request, "auth", None)
    if user is None and (staff := getattr(request, "user", None)) is not None:
        user = staff.pk
    return user if isinstance(user, int) else None

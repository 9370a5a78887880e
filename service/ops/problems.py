"""Errors on the wire: RFC 9457 problem documents with a stable ``code``."""

import json
from typing import Any

from django.http import HttpResponse


class Problem(Exception):
    """An error answer; ``code`` is public and stable, ``detail`` is for people."""

    def __init__(
        self, status: int, code: str, detail: str, *, retry_after_s: int | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.members = members


def response(problem: Problem) -> HttpResponse:
    """Render a problem document, with Retry-After where a retry makes sense."""
    document = {
        "type": f"urn:hotrow:problem:{problem.code}",
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.members,
    }
    answer = HttpResponse(json.dumps(document), status=problem.status, content_type="application/problem+json")
    if problem.retry_after_s is not None:
        answer["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer

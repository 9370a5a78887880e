"""Errors on the wire: RFC 9457 problem documents with a stable ``code``."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse

from service.front.refusals import MEDIA_TYPE, RETRY_SPREAD_S
from service.logs import request_id
from service.ops.outcomes import Told


class Problem(Exception):
    """An error answer; ``code`` is public and stable, ``detail`` is for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.headers = headers or {}
        self.members = members


# What every call with a body and a token can be answered with.
_ANYWHERE = {
    400: ["bad_request"],
    401: ["invalid_token"],
    422: ["invalid_request"],
    503: ["busy", "overload", "deadline_exceeded"],
}


def documented(codes: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    """The part of an operation's OpenAPI that tells of its problem documents.

    Args:
        codes: The codes of each status; those that any call may be answered with are added.
    """
    every = {status: [*codes.get(status, []), *_ANYWHERE.get(status, [])] for status in sorted({*codes, *_ANYWHERE})}
    return {"responses": {status: _response_schema(status, names) for status, names in every.items()}}


def _response_schema(status: int, codes: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "type": {"type": "string"},
        "status": {"type": "integer", "const": status},
        "code": {"type": "string", "enum": codes},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    }
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"description": ", ".join(codes), "content": {MEDIA_TYPE: {"schema": schema}}}


def response(problem: Problem) -> HttpResponse:
    """Render a problem document, with Retry-After where a retry makes sense."""
    document = {
        "type": f"urn:hotrow:problem:{problem.code}",
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.members,
    }
    if (request := request_id.current.get()) is not None:
        document["request_id"] = request
    answer = Told(json.dumps(document), status=problem.status, content_type=MEDIA_TYPE)
    answer.outcome = problem.code
    if problem.retry_after_s is not None:
        # Who is told the same moment comes back at the same moment; a limit knows when it ends.
        spread_s = random.randint(0, RETRY_SPREAD_S) if problem.status == 503 else 0  # noqa: S311  # chance, not secrets
        answer["Retry-After"] = str(problem.retry_after_s + spread_s)
    for name, value in problem.headers.items():
        answer[name] = value
    if problem.status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer

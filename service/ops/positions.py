"""The header ``Hotrow-Position``: a write answers with it, and a read that carries it sees that write.

Clients do not look into it: they send the last one that they got. A bearer client keeps no cookie.
Where no replica is read there is none, and one that is sent is not looked at.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse

from service.db import positions
from service.db.replica import committed, replica
from service.ops.problems import Problem

HEADER = "Hotrow-Position"
_META = "HTTP_HOTROW_POSITION"
_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "The last one that a write answered with: this answer has seen that write.",
    "schema": {"type": "string"},
}
_TOLD = {"description": "Send it with reads that must see this write.", "schema": {"type": "string"}}


def asked(request: HttpRequest) -> int:
    """What the answer must have seen; 0 for whatever there is.

    Raises:
        Problem: The header is none that a write answered with.
    """
    token = request.META.get(_META)
    if token is None or replica() is None:
        return 0
    try:
        return positions.position(token)
    except ValueError:
        raise Problem(400, "invalid_position", f"Send {HEADER} as a write answered with it, or not at all.") from None


def tell(response: HttpResponse, position: int | None) -> None:
    """Tell where a write is in the log; nothing where no replica is read."""
    if position is not None:
        response[HEADER] = positions.token(position)


def tell_committed(response: HttpResponse) -> None:
    """As :func:`tell`, of what this request has just committed; one small query."""
    tell(response, committed())


def documented_read(extra: dict[str, Any]) -> dict[str, Any]:
    """Add the header to a read's part of OpenAPI."""
    return {**extra, "parameters": [*extra.get("parameters", []), _PARAMETER]}


def documented_write(statuses: dict[int, str], extra: dict[str, Any]) -> dict[str, Any]:
    """Add the header to a write's part of OpenAPI, for its good answers, which have these descriptions."""
    told = {status: {"description": text, "headers": {HEADER: _TOLD}} for status, text in statuses.items()}
    return {**extra, "responses": {**told, **extra["responses"]}}

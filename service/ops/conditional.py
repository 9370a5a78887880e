"""A kept answer on the wire: its bytes with an ETag, or 304 for a client that has them."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from service.cache.entry import Entry

# A client may keep the answer and must ask each time whether it still holds; a proxy keeps nothing of
# what was asked for with a token.
CACHE_CONTROL = "private, no-cache"


def documented(responses: dict[str, Any]) -> dict[str, Any]:
    """Add to an operation's OpenAPI what a conditional request is answered with."""
    etag = {"ETag": {"description": "Send it as If-None-Match the next time.", "schema": {"type": "string"}}}
    told = {304: {"description": "The client has this answer.", "headers": etag}}
    return {"responses": {**told, **responses["responses"]}}


def answer(request: HttpRequest, entry: Entry) -> HttpResponse:
    wanted = request.META.get("HTTP_IF_NONE_MATCH")
    if wanted is not None and _matches(wanted, entry.etag):
        response = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        response = HttpResponse(entry.body, content_type="application/json")
    response["ETag"] = entry.etag
    response["Cache-Control"] = CACHE_CONTROL
    return response


def _matches(wanted: str, etag: str) -> bool:
    # RFC 9110, section 13.1.2: compared weakly, so that a proxy that compresses does no harm.
    return wanted.strip() == "*" or etag in {each.strip().removeprefix("W/") for each in wanted.split(",")}

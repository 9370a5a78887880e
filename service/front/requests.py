"""Read of a request's first bytes what a refusal needs to know, without parsing it."""

import re

from service.front.door import PROBES

_PROBE = re.compile(rb"(?:GET|HEAD) (?:%s)[ ?]" % b"|".join(path.encode() for path in PROBES))
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_BODY = re.compile(rb"content-length|transfer-encoding|\nexpect", re.IGNORECASE)
_LAST = re.compile(rb"[^\r]* HTTP/1\.0\r|[^\0]*?\r\nconnection:[ \t]*close[ \t]*\r", re.IGNORECASE)
_END = b"\r\n\r\n"


def is_probe(data: bytes) -> bool:
    """Whether the request asks for one of ``PROBES``."""
    return _PROBE.match(data) is not None


def has_answer_without_body(data: bytes) -> bool:
    """Whether a body in the answer would be taken for the next answer."""
    return data.startswith(b"HEAD ")


def is_last(data: bytes) -> bool:
    """Whether the client waits for the end of the connection after this request."""
    return _LAST.match(data) is not None


def missing(data: bytes) -> int | None:
    """How many bytes of the request are still to come; then the next byte begins another.

    None where that is not sure: a head that is not complete, a body in chunks, or more than one request.
    """
    end = data.find(_END) + len(_END)
    if end < len(_END):
        return None
    head = data[: end - 2]
    named = _BODY.findall(head)
    length = 0
    if named:
        found = _LENGTH.search(head)
        if len(named) > 1 or found is None:
            return None
        length = int(found[1])
    still = end + length - len(data)
    return still if still >= 0 else None

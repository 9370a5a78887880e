"""Read of a request's first bytes what a refusal needs to know, without parsing it."""

import re

from service.front.door import PROBES

_PROBE = re.compile(rb"(?:GET|HEAD) (?:%s)[ ?]" % b"|".join(path.encode() for path in PROBES))
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_BODY = re.compile(rb"content-length|transfer-encoding|\nexpect", re.IGNORECASE)
_END = b"\r\n\r\n"


def is_probe(data: bytes) -> bool:
    """Whether the request asks for one of ``PROBES``."""
    return _PROBE.match(data) is not None


def is_whole(data: bytes) -> bool:
    """Whether these bytes are one request and nothing else, so that the next bytes begin another.

    Where that is not sure the answer is no: a body that is still to come, or comes in chunks.
    """
    end = data.find(_END) + len(_END)
    if end < len(_END):
        return False
    head = data[: end - 2]
    named = _BODY.findall(head)
    if not named:
        return end == len(data)
    found = _LENGTH.search(head)
    return len(named) == 1 and found is not None and end + int(found[1]) == len(data)

"""Read plans from whatever holds them: EXPLAIN's JSON or text form, as a file or as somebody pasted it."""

import json
from typing import Any

from tuning.explain import json_format, text_format
from tuning.explain.errors import Unreadable
from tuning.explain.framing import unwrap
from tuning.explain.plan import Plan

# A plan of 10,000 partitions with VERBOSE is some 20 MB; more is not one plan but a mistake.
MAX_CHARS = 64_000_000


def read(text: str) -> list[Plan]:
    """Read every plan of a text.

    Raises:
        Unreadable: It is empty, broken, cut off, or no plan.
    """
    check(text)
    bare = unwrap(text).strip("\n")
    if not bare.strip():
        raise Unreadable("the input is empty")
    if bare.lstrip()[0] in "[{":
        return [json_format.plan(entry) for entry in _entries(bare.strip())]
    return [json_format.plan(entry) for entry in text_format.entries(bare)]


def check(text: str) -> None:
    """Refuse what no plan and no statement holds.

    Raises:
        Unreadable: A NUL byte, or far more text than a plan has.
    """
    if "\0" in text:
        raise Unreadable("the input holds a NUL byte: it is binary, or in UTF-16; save it as UTF-8")
    if len(text) > MAX_CHARS:
        raise Unreadable(f"the input has {len(text):,} characters; a plan has {MAX_CHARS:,} at the most")


def _entries(text: str) -> list[Any]:
    decoder = json.JSONDecoder()
    found: list[Any] = []
    at = 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            found += value if isinstance(value, list) else [value]
            while at < len(text) and text[at] in " \t\r\n,;":
                at += 1
    except json.JSONDecodeError as error:
        cut = " (it ends early: was it cut off?)" if error.pos >= len(text.rstrip()) - 1 else ""
        raise Unreadable(f"broken JSON at line {error.lineno}, column {error.colno}: {error.msg}{cut}") from error
    except (RecursionError, ValueError) as error:
        raise Unreadable(f"broken JSON: {error}") from error
    if not found:
        raise Unreadable("this JSON holds no plan")
    return found

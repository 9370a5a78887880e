"""Values of a JSON document, checked for being what they should be."""

import json
from collections.abc import Mapping
from typing import Any

from tuning.diagnose.readers import documents
from tuning.diagnose.readers.documents import Document, Unreadable


def parse(document: Document) -> Any:
    """The value that the document holds.

    Raises:
        Unreadable: It is no JSON, or was cut.
    """
    try:
        return json.loads(document.text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"{document.name} is no JSON, or is cut: {error.msg} in line {error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{document.name} is JSON of no load test") from error


def number(values: Mapping[str, Any], key: str, place: str) -> float:
    """A count or a time.

    Raises:
        Unreadable: It is missing, no number, negative or not finite.
    """
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{place}: {key} is missing" if value is None else f"{place}: {key} is no number")
    try:
        return documents.plausible(float(value), f"{place}, {key}")
    except OverflowError as error:
        raise Unreadable(f"{place}, {key}: no figure of a load test is so large") from error


def whole(values: Mapping[str, Any], key: str, place: str) -> int:
    return documents.whole(number(values, key, place), f"{place}, {key}")


def text(values: Mapping[str, Any], key: str, place: str) -> str:
    """A name; Locust has entries without a method.

    Raises:
        Unreadable: It is something else.
    """
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{place}: {key} is no name")
    return value or ""

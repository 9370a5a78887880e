"""Lines: one JSON object each, with the request's id, whatever is logged."""

import json
import logging
import sys

import pytest

from service.logs import request_id
from service.logs.lines import JSONLines, PlainLines


def record(message: str = "held %d", *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("service.stock", logging.WARNING, __file__, 1, message, arguments or (3,), None)
    vars(made).update(extra)
    return made


def test_line_is_one_object_with_what_was_added() -> None:
    token = request_id.current.set("request-1")
    try:
        text = JSONLines().format(record(route="api/products", status=200))
    finally:
        request_id.current.reset(token)
    line = json.loads(text)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "service.stock",
        "event": "held 3",
        "request_id": "request-1",
        "route": "api/products",
        "status": 200,
    }
    # The control: without a request there is no id.
    assert "request_id" not in json.loads(JSONLines().format(record()))


@pytest.mark.parametrize("text", ['two\nlines "and" quotes', "\x00\x1b[31m", "\ud800", "Ж"])
def test_nothing_that_is_logged_breaks_a_line(text: str) -> None:
    told = JSONLines().format(record("%s", text, odd=object()))
    assert "\n" not in told
    told.encode("ascii")
    assert json.loads(told)["event"] == text


def test_error_is_in_its_line() -> None:
    made = record()
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        made.exc_info = sys.exc_info()
    assert json.loads(JSONLines().format(made))["error"].endswith("RuntimeError: broken")
    plain = PlainLines().format(made)
    assert plain.splitlines()[0].endswith("WARNING service.stock held 3")
    assert plain.endswith("RuntimeError: broken")


@pytest.mark.parametrize(
    "given", ["0b9f3c1a-2f0e-4a51-9c2b-0d2d3b2f5d11", "a" * 128, "Root=1-67891233-abcdef012345678912345678"]
)
def test_harmless_id_is_kept(given: str) -> None:
    assert request_id.accepted(given) == given


@pytest.mark.parametrize(
    "given", [None, "", "short", "a" * 129, "two words here", "line\nbreak-1", 'quote"quote', "aaaaaaaaé"]
)
def test_any_other_is_replaced(given: str | None) -> None:
    made = request_id.accepted(given)
    assert made != given
    assert request_id.WELL_FORMED.fullmatch(made)
    assert made != request_id.accepted(given)

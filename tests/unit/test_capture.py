"""What a captured line holds: typed parameters, none of what is secret, and never an error of its own."""

import json
import logging
import os
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from service.capture.line import MAX_LINE_BYTES, line
from service.capture.options import REDACTED, Options
from service.capture.parameters import MAX_CHARACTERS, Encoder
from service.capture.redaction import Redaction
from service.capture.sink import Sink
from service.db.statements import Statement

ABOUT = {"request_id": "r", "route": "api/x", "method": "GET"}
REDACTION = Redaction(REDACTED, ("open_session",))
FIELDS = "v at request_id route method alias sql params many duration_ms rows caller in_transaction error truncated"


def written(sql: str, params: Any, *, many: bool = False, error: Exception | None = None) -> Any:
    statement = Statement(sql, params, many, "default", False, 0.0015, 2, error)
    text = line(statement, REDACTION, ABOUT)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    assert len(text) <= MAX_LINE_BYTES
    return json.loads(text)


def test_line_has_the_documented_fields() -> None:
    told = written("SELECT %s", [1])
    assert list(told) == FIELDS.split()
    assert f"{Path(__file__).name}:" in told["caller"]
    assert told["caller"].endswith(" written")
    assert (told["v"], told["params"], told["rows"], told["duration_ms"], told["error"]) == (1, [1], 2, 1.5, None)
    rows = [
        row.split("|")[1] for row in Path("docs/howto/capture.md").read_text().splitlines() if row.startswith("| `")
    ]
    documented = [name.strip("` ") for row in rows for name in row.split(",")]
    assert set(told) <= set(documented)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, None),
        (True, True),
        (2**63, 2**63),
        (1.5, 1.5),
        (float("nan"), {"type": "float8", "value": "nan"}),
        ("text", "text"),
        (uuid.UUID(int=1), {"type": "uuid", "value": str(uuid.UUID(int=1))}),
        (Decimal("1.10"), {"type": "numeric", "value": "1.10"}),
        (datetime(2026, 1, 2, tzinfo=UTC), {"type": "timestamp", "value": "2026-01-02T00:00:00+00:00"}),
        (date(2026, 1, 2), {"type": "date", "value": "2026-01-02"}),
        (timedelta(minutes=1), {"type": "interval", "value": "60.0 seconds"}),
        (b"\x00\xff", {"type": "bytea", "value": "00ff"}),
        ([1, [None, "a"]], [1, [None, "a"]]),
    ],
)
def test_parameter_keeps_its_type(given: Any, told: Any) -> None:
    encoder = Encoder()
    assert encoder.value(given) == told
    assert not encoder.is_truncated


@pytest.mark.parametrize("given", ["a" * (MAX_CHARACTERS + 1), [1] * 101, b"x" * 2_000, [[[[[1]]]]]])
def test_long_parameter_is_cut_and_said_to_be(given: Any) -> None:
    told = written("SELECT %s", [given])
    assert told["truncated"]
    assert len(json.dumps(told["params"])) < 2 * MAX_CHARACTERS + 100


def test_line_is_bounded_whatever_is_sent() -> None:
    told = written("SELECT 1", [["€" * 1_000] * 100] * 50)
    assert (told["params"], told["truncated"]) == (None, True)


HIDDEN = {"type": "redacted"}


@pytest.mark.parametrize(
    ("sql", "params", "told"),
    [
        ("SELECT %(password)s, %(id)s", {"password": "p", "id": 1}, {"password": HIDDEN, "id": 1}),
        ('UPDATE "u" SET "password" = %s, "name" = %s WHERE "u"."id" = %s', ["p", "n", 1], [HIDDEN, "n", 1]),
        ('INSERT INTO "u" ("id", "email", "name") VALUES (%s, %s, %s), (%s, %s, %s) RETURNING "u"."id"',
         [1, "e", "n", 2, "f", "m"], [1, HIDDEN, "n", 2, HIDDEN, "m"]),
        ("INSERT INTO u (id, name, token_hash) VALUES (1, upper(%s), coalesce(%s, %s))", ["n", "t", "s"],
         ["n", HIDDEN, HIDDEN]),
        ("INSERT INTO u (id, note) VALUES (%s, 'a, (b') ON CONFLICT (id) DO UPDATE SET secret = %s", [1, "s"],
         [1, HIDDEN]),
        ('SELECT "password" FROM "u" WHERE UPPER("u"."email"::text) = UPPER(%s) AND "u"."id" IN (%s, %s)', ["e", 1, 2],
         [HIDDEN, 1, 2]),
        ("SELECT open_session_v1(%s, %s)", ["t", 1], [HIDDEN, HIDDEN]),
        ("SELECT 1 FROM t WHERE name LIKE '%%token' AND id = %s", [5], [5]),
        # The control, and the documented limit: the value that a function takes has no name.
        ("SELECT other_function(%s)", ["password"], ["password"]),
    ],
)  # fmt: skip
def test_secret_stays_out(sql: str, params: Any, told: Any) -> None:
    assert written(sql, params)["params"] == told


def test_sets_of_executemany_are_redacted_each() -> None:
    told = written("INSERT INTO u (id, token) VALUES (%s, %s)", [(1, "a"), (2, "b")], many=True)
    assert (told["many"], told["params"]) == (True, [[1, HIDDEN], [2, HIDDEN]])


def test_error_is_its_sqlstate() -> None:
    class Failed(Exception):
        sqlstate = "23505"

    assert written("SELECT 1", None, error=Failed())["error"] == "23505"
    assert written("SELECT 1", None, error=RuntimeError())["error"] == "RuntimeError"


def test_file_is_private_and_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink(tmp_path / "made" / "here", max_bytes=25)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            sink.write(b"123456789\n")
    (path,) = (tmp_path / "made" / "here").iterdir()
    assert path.read_bytes() == b"123456789\n" * 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (sink.written, sink.lost, len(caplog.records)) == (2, 3, 1)


def test_directory_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no directory")
    sink = Sink(tmp_path / "file", max_bytes=1_000)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            sink.write(b"line\n")
    assert (sink.written, sink.lost, len(caplog.records)) == (0, 3, 1)


def test_forked_process_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink(tmp_path, max_bytes=1_000)
    sink.write(b"parent\n")
    sink.write(b"parent\n")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    sink.write(b"child\n")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"child\n", b"parent\nparent\n"]


@pytest.mark.parametrize(
    "given",
    [{}, {"DIRECTORY": "/x", "SHARE": 1.1}, {"DIRECTORY": "/x", "MAX_MIB": 0}, {"DIRECTORY": "/x", "PATH": "/y"}],
)
def test_wrong_option_stops_the_start(given: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured):
        Options.of(given)
    assert Options.of({"DIRECTORY": "/x"}).share == 0.01

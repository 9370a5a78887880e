"""Captured statements that must not run, or cannot: explain, suggest, prove and drop over the same file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.index.conftest import Lab
from tests.unit.command import Done, hotrow

GOOD = {"v": 1, "route": "/good", "sql": "SELECT id FROM purchase WHERE note = %s", "params": ["x"], "duration_ms": 1}
INDEX = "CREATE INDEX odd_idx ON purchase (note)"
# Each statement or call, and what is said of it; None where it takes part, and is planned alone.
ODD: dict[str, tuple[Any, str | None]] = {
    "insert": ("INSERT INTO customer VALUES (9999, 'x', 'y')", None),
    "update": ("UPDATE purchase SET total = total + 1", None),
    "delete in WITH": ("WITH gone AS (DELETE FROM purchase RETURNING id) SELECT * FROM gone", None),
    "row lock": ("SELECT id FROM purchase WHERE id = 7 FOR UPDATE", None),
    "volatile": ("SELECT nextval('purchase_id_seq')", "volatile"),
    "setting": ("SELECT set_config('search_path', 'x', false)", "volatile"),
    "terminate": ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "volatile"),
    "several": ("SELECT 1; DROP TABLE purchase", "2 statements"),
    "commit": ("COMMIT", "COMMIT is not run"),
    "commit inside": ("SELECT 1; COMMIT; DELETE FROM purchase", "3 statements"),
    "commit in values": (
        {"sql": "SELECT id FROM purchase WHERE note = %s", "params": ["x'; COMMIT; DROP TABLE purchase; --"]},
        None,
    ),
    "commit past a backslash": ("SELECT 'a\\'; COMMIT; DELETE FROM purchase; --'", "statements"),
    "do": ("DO $$ BEGIN DELETE FROM purchase; END $$", "DO is not run"),
    "explain itself": ("EXPLAIN ANALYZE DELETE FROM purchase", "EXPLAIN is not run"),
    "a megabyte": ("SELECT id FROM purchase WHERE total IN (" + ", ".join(map(str, range(180_000))) + ")", None),
    "two megabytes": ("SELECT '" + "x" * 2_100_000 + "'", "characters"),
    "syntax": ("SELECT FROM WHERE", "syntax error"),
    "no table": ("SELECT * FROM nowhere", "does not exist"),
    "empty": ("", "no statement in it"),
    "NUL in values": ({"sql": "SELECT id FROM purchase WHERE note = %s", "params": ["a\0b"]}, "NUL"),
    "half a pair in values": ({"sql": "SELECT id FROM purchase WHERE note = %s", "params": ["\ud800"]}, "surrogates"),
    "too few values": ({"sql": "SELECT id FROM purchase WHERE note = %s AND id = %s", "params": ["x"]}, "placeholders"),
    "values of no type": ({"sql": "SELECT %s", "params": [{"type": "uuid", "value": "x"}]}, "type uuid"),
    "values of no form": ({"sql": "SELECT %s", "params": "x"}, "neither a list"),
}
# Lines that are no captured statement.
BROKEN = [
    '{"v": 1, "sql": "SELECT 1',
    "[]",
    "null",
    '{"v": 1}',
    '{"v": 1, "sql": 5}',
    json.dumps({"v": 1, "sql": "SELECT '\0'"}),
    json.dumps({"v": 1, "sql": "SELECT '\ud800'"}),
    '{"v": 1, "sql": "SELECT 1", "params": ' + "[" * 100_000,
    '{"v": 1, "sql": "SELECT 1", "params": [' + "9" * 5_000 + "]}",
    "\0\0\0",
    "\xff\xfe",
]


def asked(lab: Lab, command: str, file: Path) -> Done:
    match command:
        case "explain":
            return hotrow("explain", "--json", "--dsn", lab.dsn, "--fail-on", "never", "--top", "100", str(file))
        case "suggest":
            return hotrow("index", "suggest", "--json", "--dsn", lab.dsn, str(file))
        case "prove":
            return lab.hotrow("prove", "--json", "--index", INDEX, str(file))
    return lab.hotrow("drop", "--json", "--statistics-days", "0", str(file))


def settled(lab: Lab) -> tuple[object, ...]:
    """The target's state with what its own session has counted by now."""
    lab.connection.execute("SELECT pg_stat_force_next_flush()")
    lab.connection.execute("SELECT 1")
    return lab.state()


def reasons(command: str, report: dict[str, Any], sql: str) -> str:
    """Everything that was said of a statement."""
    if command == "explain":
        told = [each["skipped"] for each in report["statements"] if each["statement"]["sql"] == sql]
    elif command == "suggest":
        told = [each["reason"] for each in report["unserved"] if each["sql"] == sql]
    else:
        told = [each["reason"] for each in report["skipped"] if each["sql"] == sql[:1000]]
    return " ".join(told)


def written(file: Path) -> Path:
    """A good statement, every odd one on a route of its own, and every broken line."""
    lines = [json.dumps(GOOD)]
    for name, (odd, _) in ODD.items():
        call = odd if isinstance(odd, dict) else {"sql": odd}
        lines.append(json.dumps({"v": 1, "route": f"/{name}", "duration_ms": 0.5, **call}))
    file.write_text("\n".join([*lines, *BROKEN]) + "\n")
    return file


@pytest.mark.parametrize("command", ["explain", "suggest", "prove", "drop"])
def test_odd_statement_spoils_no_other_and_runs_nowhere(lab: Lab, tmp_path: Path, command: str) -> None:
    file = written(tmp_path / "odd.jsonl")
    before = settled(lab)
    done = asked(lab, command, file)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert settled(lab) == before
    assert any(f"{len(BROKEN)} lines of" in note for note in report["notes"]), report["notes"]
    for name, (odd, words) in ODD.items():
        sql = odd["sql"] if isinstance(odd, dict) else odd
        told = reasons(command, report, sql)
        if words is not None:
            assert words in told, (name, told)
        elif command != "explain" and not sql.startswith("SELECT id FROM purchase WHERE note"):
            assert "not run" not in told, (name, told)
    assert GOOD["sql"] in done.stdout or "note = 'x'" in done.stdout
    server = report["server"]
    assert server["plans"] > 0
    assert server["server_s"] > 0
    # The target runs for `explain` alone.
    assert (server["executions"] > 0) == (command == "explain")
    assert (server["copied_bytes"] > 0) == (command in ("prove", "drop"))


def test_advised_server_is_sent_nothing_of_a_capture(lab: Lab, tmp_path: Path) -> None:
    file = written(tmp_path / "odd.jsonl")
    before = settled(lab)
    arguments = ("advise", "--json", "--dsn", lab.dsn, "--fail-on", "never")
    without, done = (hotrow(*arguments, *more) for more in ((), ("--captures", str(file))))
    assert done.returncode == 0, done.stderr
    assert settled(lab) == before
    report = json.loads(done.stdout)
    assert any(
        each.startswith(f"{len(ODD) + 1} captured") and f"{len(BROKEN)} lines are none" in each
        for each in report["read"]
    ), report["read"]
    assert report["server"]["statements"] == json.loads(without.stdout)["server"]["statements"] > 10
    assert report["server"]["plans"] == report["server"]["executions"] == 0
    assert "the server spent " in hotrow(*(each for each in arguments if each != "--json")).stdout


def test_control_a_write_that_stayed_would_show(lab: Lab) -> None:
    before = settled(lab)
    lab.connection.execute("INSERT INTO customer VALUES (9999, 'x', 'y')")
    assert settled(lab) != before
    lab.connection.execute("DELETE FROM customer WHERE id = 9999")


@pytest.mark.parametrize("command", ["explain", "suggest", "prove", "drop"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("\n".join(BROKEN), "no captured statement"),
        ("", "no captured statement"),
        ('{"v": 2, "sql": "SELECT 1"}', "format 2"),
    ],
)
def test_file_without_a_statement_is_told_in_one_line(
    lab: Lab, tmp_path: Path, command: str, content: str, words: str
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(content)
    done = asked(lab, command, file)
    assert done.returncode == 2
    assert words in done.stderr
    assert str(file) in done.stderr
    assert done.stdout == ""

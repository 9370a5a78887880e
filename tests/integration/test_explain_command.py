"""``hotrow explain`` as people and CI call it: inputs, formats, exit codes, on the running stack."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.unit.test_explain_captures import line
from tests.unit.test_lint_command import Done, hotrow
from tuning.explain import statistics_source
from tuning.explain.errors import Refused
from tuning.explain.execution import Limits, Server
from tuning.stack import postgres
from tuning.stack.stack import Stack

PLANS = Path(__file__).parents[1] / "data/plans"
SLOW = "SELECT * FROM explained WHERE b = 77"


def explain(*arguments: str, stdin: str = "") -> Done:
    return hotrow("explain", *arguments, stdin=stdin)


@pytest.fixture(scope="module")
def dsn(stack: Stack) -> Iterator[str]:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS explained")
        connection.execute("CREATE TABLE explained AS SELECT n AS a, n AS b FROM generate_series(1, 100000) AS n")
        connection.execute("ANALYZE explained")
        yield stack.direct
        connection.execute("DROP TABLE explained")


@pytest.mark.parametrize("name", ["15/scan.json", "15/scan.txt", "18/scan.json", "18/scan.txt"])
def test_recorded_plan_is_judged_without_a_server(name: str) -> None:
    done = explain(str(PLANS / name), "--fail-on", "warn")
    assert done.returncode == 1
    assert "WARN slow-scan at Seq Scan on lab.orders" in done.stdout
    assert "remedy: an index" in done.stdout
    assert explain(str(PLANS / name)).returncode == 0
    assert explain("-", stdin=(PLANS / name).read_text()).returncode == 0
    assert explain(str(PLANS / name), "--exclude", "slow-scan", "--fail-on", "warn").returncode == 0


def test_statement_is_run_twice_and_what_it_cost_is_said(dsn: str) -> None:
    done = explain("--sql", SLOW, "--dsn", dsn, "--fail-on", "warn")
    assert done.returncode == 1, done.stderr
    assert "slow-scan at Seq Scan on public.explained" in done.stdout
    assert "on 2 executions" in done.stdout
    assert (
        "WARN"
        not in explain("--sql", SLOW, "--dsn", dsn, "--no-analyze", "--fail-on", "warn").stdout.split("with a plan")[0]
    )


def test_cost_is_what_the_server_counted(stack: Stack, dsn: str) -> None:
    superuser = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    for more, executions in (((), 2), (("--no-analyze",), 0)):
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_statements_reset()")
            done = explain("--sql", SLOW, "--dsn", dsn, "--json", *more)
            row = connection.execute(
                "SELECT coalesce(sum(calls) FILTER (WHERE query LIKE 'EXPLAIN (ANALYZE%'), 0)::int,"
                "       sum(calls) FILTER (WHERE query LIKE 'EXPLAIN (VERBOSE%')::int FROM pg_stat_statements"
                " WHERE query LIKE '%explained%'"
            ).fetchone()
        server = json.loads(done.stdout)["server"]
        assert (server["executions"], server["plans"]) == row
        assert server["executions"] == executions
        assert server["statements"] > executions + server["plans"]
    # A plan that was read cost no server anything.
    assert json.loads(explain(str(PLANS / "18/scan.json"), "--json").stdout)["server"] is None


def test_writes_are_refused_and_allowed_and_never_stay(dsn: str) -> None:
    done = explain("--sql", "DELETE FROM explained", "--dsn", dsn)
    assert done.returncode == 2
    assert "SKIP: it writes (DELETE): --execute-writes" in done.stdout
    assert explain("--sql", "DELETE FROM explained", "--dsn", dsn, "--execute-writes").returncode == 0
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM explained").fetchone() == (100_000,)


def test_capture_is_explained_with_its_values_and_ranked(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    lines = [line("SELECT * FROM explained WHERE b = %s", params=[n], ms=5) for n in range(4)]
    lines += [line("SELECT * FROM explained WHERE b = %s LIMIT 1", params=[{"type": "int", "value": 1}], ms=1), "{cut"]
    lines += [line("COMMIT", ms=0.1), line("SELECT * FROM explained WHERE b = %s", params=[1, 2], ms=0.2, route="/odd")]
    file.write_text("\n".join(lines))
    report = json.loads(explain(str(file), "--dsn", dsn, "--json").stdout)
    first, *others = report["statements"]
    assert (first["statement"]["route"], first["statement"]["calls"]) == ("/list", 4)
    assert {each["rule"] for each in first["findings"]} >= {"slow-scan", "repeated-query"}
    assert "do not fit" in " ".join(each["skipped"] for each in others)
    assert "COMMIT is not run" in " ".join(each["skipped"] for each in others)
    assert "1 lines of" in report["notes"][0]
    alone = explain(str(file), "--fail-on", "warn")
    assert alone.returncode == 1
    assert "repeated-query" in alone.stdout


def test_file_of_statements_is_split_and_every_form_of_report_is_written(dsn: str, tmp_path: Path) -> None:
    file, page = tmp_path / "a.sql", tmp_path / "report.html"
    file.write_text(f"-- first; of two\n{SLOW};\nSELECT '<b>;' AS x;\n")
    done = explain(str(file), "--dsn", dsn, "--html", str(page), "--format", "markdown")
    assert done.returncode == 0
    assert done.stdout.count("\n## ") == 2
    text = page.read_text()
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text


def test_ignored_finding_counts_no_more_until_its_day(dsn: str, tmp_path: Path) -> None:
    (plan,) = json.loads(explain(str(PLANS / "18/scan.json"), "--json").stdout)["statements"]
    (key,) = (each["key"] for each in plan["findings"] if each["rule"] == "slow-scan")
    file = tmp_path / "ignore.toml"
    for until, code in (("2999-01-01", 0), ("2020-01-01", 1)):
        file.write_text(f'[[ignore]]\nkey = "{key}"\nreason = "known"\nuntil = {until}\n')
        done = explain(str(PLANS / "18/scan.json"), "--ignore", str(file), "--fail-on", "warn")
        assert done.returncode == code
    assert "ended on 2020-01-01: known" in done.stdout


def test_worse_plan_than_before_fails() -> None:
    new, old = str(PLANS / "18/scan.json"), str(PLANS / "18/never.json")
    assert "plan-regression" in explain(new, "--before", old, "--verbose").stdout
    assert "SKIP plan-regression: no earlier plan" in explain(new, "--verbose").stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ((), "", "nothing to explain"),
        (("-",), "", "empty"),
        (("-",), '[{"Plan": {', "cut off"),
        (("-",), "a\0b", "NUL"),
        (("-",), "SELECT 1", "--dsn"),
        (("nowhere.json",), "", "No such file"),
        (("--sql", "SELECT 1"), "", "--dsn"),
        (("--from", "pg_stat_statements"), "", "--dsn"),
        (("--sql", "SELECT 1", "--dsn", "host=127.0.0.1 port=1 connect_timeout=2"), "", "refused"),
        (("--exclude", "nothing", "-"), "", "no rule nothing"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(arguments: tuple[str, ...], stdin: str, words: str) -> None:
    done = explain(*arguments, stdin=stdin)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_rules_are_listed_and_shown() -> None:
    assert "hotrow explain" in hotrow("rules", "list").stdout
    shown = hotrow("rules", "show", "slow-scan").stdout
    assert all(f"\n{section}: " in shown for section in ("When", "Why", "Remedy"))


def test_pg_stat_statements_are_planned_without_their_values(stack: Stack, dsn: str) -> None:
    superuser = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        connection.execute("SELECT count(*), pg_sleep(0.3) FROM explained WHERE b = 5")
    done = explain("--from", "pg_stat_statements", "--dsn", superuser, "--json", "--top", "3")
    assert done.returncode in (0, 1), done.stderr
    (found,) = (each for each in json.loads(done.stdout)["statements"] if "pg_sleep" in each["statement"]["sql"])
    assert "$1" in found["statement"]["sql"]
    assert found["plan"]["execution_ms"] is None
    assert "not executed" in next(each["reason"] for each in found["rules"] if each["rule"] == "slow-scan")


def test_values_are_sampled_where_a_column_tells_them_and_never_null(dsn: str) -> None:
    with Server(dsn, Limits(), allows_writes=False) as server:
        text = server.sampled("SELECT * FROM explained AS e WHERE e.b >= $1 LIMIT $2", statistics_source.sampled)
        assert "$" not in text
        assert "NULL" not in text
        assert not server.plan(text).plan.was_executed
        with pytest.raises(Refused, match=r"no value is known for \$1"):
            server.sampled("SELECT $1 FROM explained", statistics_source.sampled)


def test_missing_pg_stat_statements_is_said(stack: Stack) -> None:
    done = explain("--from", "pg_stat_statements", "--dsn", make_conninfo(stack.superuser, dbname="template1"))
    assert done.returncode == 2
    assert "CREATE EXTENSION" in done.stderr

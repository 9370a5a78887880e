"""``hotrow index prove``: what helps, what does not, what harms; the target stays as it is."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.index.conftest import Lab

SLOW = "SELECT id FROM purchase WHERE total = 5"


def proven(lab: Lab, *arguments: str, stdin: str = "") -> dict[str, Any]:
    done = lab.hotrow("prove", "--json", *arguments, stdin=stdin)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert done.returncode == any(each["verdict"] != "helps" for each in found["indexes"])
    return found


def test_index_that_helps_is_told_from_one_that_does_not(lab: Lab, capture: Path) -> None:
    before = lab.state()
    found = proven(
        lab, "--index", "CREATE INDEX wanted ON purchase (note)", "--index", "CREATE INDEX idle ON purchase (doubled)",
        "--sql", "SELECT id FROM purchase WHERE note = 'x'", str(capture),
    )  # fmt: skip
    good, idle = found["indexes"]
    assert (good["verdict"], idle["verdict"]) == ("helps", "useless")
    (effect,) = (each for each in good["statements"] if "note" in each["sql"] and "990" not in each["sql"])
    assert effect["before"]["blocks"] > 300
    assert effect["after"]["blocks"] < 10
    assert effect["cut"] > 0.9
    assert good["bytes"] > 1_000_000
    assert good["writes_after"]["insert"]["wal_bytes"] > good["writes_before"]["insert"]["wal_bytes"] + 20
    assert good["writes_after"]["insert"]["blocks"] > good["writes_before"]["insert"]["blocks"]
    assert "uses it" in idle["reason"]
    assert lab.state() == before


def test_people_are_told_the_same_in_text_markdown_and_on_a_page(lab: Lab, tmp_path: Path) -> None:
    page = tmp_path / "proven.html"
    arguments = (
        "--index",
        "CREATE INDEX wanted ON purchase (note)",
        "--sql",
        "SELECT id FROM purchase WHERE note = 'x'",
    )
    done = lab.hotrow("prove", *arguments, "--format", "markdown", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "\n- HELPS wanted: " in done.stdout
    assert "<li>HELPS wanted: " in page.read_text()


def test_text_search_index_is_tried_though_hypopg_knows_none(lab: Lab) -> None:
    found = proven(
        lab, "--index", "CREATE INDEX grams ON purchase USING gin (note gin_trgm_ops)",
        "--sql", "SELECT id FROM purchase WHERE note LIKE '%c4ca4238%'",
    )  # fmt: skip
    (index,) = found["indexes"]
    assert index["verdict"] == "helps"
    assert index["statements"][0]["before"]["blocks"] > index["statements"][0]["after"]["blocks"]


def test_index_on_what_updates_set_costs_hot_updates(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "w.sql"
    file.write_text(
        "UPDATE customer SET country = 'us' WHERE id = 7; SELECT count(*) FROM customer WHERE country = 'de';"
    )
    (index,) = proven(lab, "--index", "CREATE INDEX harmful ON customer (country)", str(file))["indexes"]
    assert index["verdict"] == "harms writes", index
    assert index["writes_before"]["hot_ratio"] > 0.9
    assert index["writes_after"]["hot_ratio"] == 0
    other = proven(lab, "--index", "CREATE INDEX harmless ON customer (email)", str(file))["indexes"][0]
    assert other["verdict"] == "useless"
    assert other["writes_after"]["hot_ratio"] > 0.9


def test_sample_is_said_and_too_large_a_copy_is_refused(lab: Lab) -> None:
    arguments = ("--index", "CREATE INDEX wanted ON purchase (total)", "--sql", SLOW)
    done = lab.hotrow("prove", *arguments, "--max-bytes", "1000")
    assert done.returncode == 2
    assert "--max-bytes" in done.stderr
    assert "--sample-rows" in done.stderr
    found = proven(lab, *arguments, "--sample-rows", "5000")
    assert any("of public.purchase were copied" in note for note in found["notes"])


def test_copy_of_a_named_database_serves_and_is_gone_afterwards(lab: Lab) -> None:
    with psycopg.connect(lab.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    with psycopg.connect(lab.dsn, autocommit=True, dbname="restored") as connection:
        connection.execute(
            "CREATE TABLE purchase AS SELECT n AS id, n % 1000 AS total FROM generate_series(1, 20000) n"
        )
        connection.execute("ANALYZE")
    try:
        scratch = psycopg.conninfo.make_conninfo(lab.dsn, dbname="restored")
        found = proven(lab, "--index", "CREATE INDEX w ON purchase (total)", "--sql", SLOW, "--scratch-dsn", scratch)
        assert found["indexes"][0]["verdict"] == "helps"
        names = [row[0] for row in lab.connection.execute("SELECT datname FROM pg_database")]
        assert not [name for name in names if name.startswith("hotrow_copy")]
    finally:
        lab.connection.execute("DROP DATABASE restored")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("INSERT INTO customer VALUES (9999, 'x', 'y')", None),
        ("DELETE FROM purchase", None),
        ("SELECT nextval('purchase_id_seq')", "volatile"),
        ("SELECT 1; DROP TABLE purchase", "2 statements"),
        ("COMMIT", "COMMIT"),
        ("DROP TABLE purchase", "DROP"),
        ("SELECT '" + "x" * 2_100_000 + "'", "characters"),
        ("SELECT '\0'", "no captured statement"),
    ],
)
def test_what_should_not_run_does_not(lab: Lab, tmp_path: Path, sql: str, words: str | None) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_text(json.dumps({"v": 1, "sql": sql}) + "\n{broken\n")
    before = lab.state()
    done = lab.hotrow("prove", "--index", "CREATE INDEX w ON purchase (total)", str(file))
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if words is None else 2), done.stderr
    assert words is None or words in done.stderr
    assert lab.state() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sql", SLOW), "no index"),
        (("--index", "CREATE INDEX w ON purchase (total)"), "no statement"),
        (("--index", "CREATE INDEX w ON purchase (total); DROP TABLE purchase", "--sql", SLOW), "one statement"),
        (("--index", "DROP INDEX x", "--sql", SLOW), "not understood"),
        (("--index", "CREATE INDEX w ON nowhere (a)", "--sql", SLOW), "no table nowhere"),
        (("--index", "CREATE INDEX w ON purchase (total) WITH (fillfactor = 10)", "--sql", SLOW), "WITH"),
        (("--index", "CREATE INDEX w ON purchase (total)", "nowhere.sql"), "No such file"),
    ],
)
def test_what_cannot_be_proven_is_said_in_one_line(lab: Lab, arguments: tuple[str, ...], words: str) -> None:
    done = lab.hotrow("prove", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr

"""``hotrow plans`` as people and CI call it: inputs, formats, exit codes, and files that are whole or not there."""

import json
from pathlib import Path

import pytest

from tests.integration.plans.conftest import CALLS, Lab
from tests.unit.command import hotrow
from tuning.plans import baseline_file
from tuning.stack.stack import Stack

BY_CUSTOMER = CALLS[0]


def test_baseline_is_stable_and_sorted_and_has_what_a_plan_depends_on(lab: Lab) -> None:
    lab.run("ALTER DATABASE lab SET work_mem = '5MB'")
    lab.run("ANALYZE purchase")
    lab.save(lab.capture(*CALLS))
    first = lab.baseline.read_text()
    lab.save(lab.capture(*reversed(CALLS)))
    assert lab.baseline.read_text() == first
    form = json.loads(first)
    assert [each["route"] for each in form["statements"]] == sorted(route for route, *_ in CALLS)
    (plan,) = next(each["plans"] for each in form["statements"] if each["route"] == BY_CUSTOMER[0])
    assert plan["sql"] == "SELECT id, total FROM purchase WHERE customer_id = 77"
    assert plan["blocks"] > 10
    assert plan["rows"] >= 50
    assert plan["tables"]["public.purchase"]["rows"] == 100_000
    assert plan["settings"]["work_mem"] == "5MB"
    table = form["tables"]["public.purchase"]
    assert table["indexes"]["purchase_customer_idx"].startswith("CREATE INDEX purchase_customer_idx ON public.purchase")
    assert table["analyzed_at"]
    assert (form["format"], form["server_version"] // 10000) == (1, lab.connection.info.server_version // 10000)


def test_statements_come_from_files_of_sql_and_by_hand(lab: Lab) -> None:
    file = lab.folder / "reads.sql"
    file.write_text("SELECT 1 FROM customer WHERE id = 5;\nSELECT 2, id FROM customer WHERE id = 6;\n")
    assert lab.save(str(file), "--sql", "SELECT max(id) FROM purchase").returncode == 0
    assert len(baseline_file.read(lab.baseline).entries) == 3
    assert lab.check(str(file), "--fail-on", "warn").returncode == 0


def test_statement_that_is_not_in_the_baseline_is_a_warning_and_one_that_was_not_given_a_note(saved: Lab) -> None:
    new = ("/new", "SELECT count(*) FROM customer", [])
    done = saved.check(saved.capture(new, *CALLS[1:]), "--fail-on", "warn")
    assert done.returncode == 1
    assert "WARN new-statement: it is not in the baseline" in done.stdout
    assert "1 statements of the baseline are not in what was given" in done.stdout
    assert saved.check(saved.capture(new)).returncode == 0


def test_merge_keeps_what_was_not_given(saved: Lab) -> None:
    before = baseline_file.read(saved.baseline)
    saved.save("--merge", saved.capture(("/new", "SELECT count(*) FROM customer", [])))
    after = baseline_file.read(saved.baseline)
    assert [entry for entry in after.entries if entry.route != "/new"] == list(before.entries)
    assert len(after.entries) == len(before.entries) + 1
    assert saved.save(saved.capture(CALLS[0])).returncode == 0
    assert len(baseline_file.read(saved.baseline).entries) == 1


def test_statement_that_fails_is_a_finding(saved: Lab) -> None:
    saved.run("ALTER TABLE customer RENAME TO client")
    done = saved.check()
    assert done.returncode == 1
    assert 'FAIL failing-statement: PostgreSQL refuses it: relation "customer" does not exist' in done.stdout
    # Others are checked all the same.
    assert "/total" not in saved.findings()


def test_writes_are_run_where_it_is_allowed_and_rolled_back(lab: Lab) -> None:
    write = ("/pay", "UPDATE purchase SET total = 0 WHERE customer_id = %s", [77])
    refused = lab.save(lab.capture(write))
    assert refused.returncode == 2
    assert "--execute-writes" in refused.stderr
    assert not lab.baseline.exists()
    assert lab.save("--execute-writes", lab.capture(write)).returncode == 0
    assert lab.check().returncode == 2
    assert lab.check("--execute-writes", "--fail-on", "warn").returncode == 0
    row = lab.connection.execute("SELECT count(*) FROM purchase WHERE total = 0").fetchone()
    assert row is not None
    assert row[0] < 1000
    lab.run("DROP INDEX purchase_customer_idx")
    assert lab.check("--execute-writes").returncode == 1


def test_redacted_value_stays_out_and_is_said(lab: Lab) -> None:
    hidden = ("/mail", "SELECT id FROM customer WHERE email = %s", [{"type": "redacted"}])
    done = lab.save(lab.capture(hidden, BY_CUSTOMER))
    assert done.returncode == 0
    assert "kept out of the capture" in done.stdout
    assert [entry.route for entry in baseline_file.read(lab.baseline).entries] == [BY_CUSTOMER[0]]


def test_plans_without_execution_are_compared_by_cost(lab: Lab) -> None:
    assert lab.save("--no-analyze", lab.capture(BY_CUSTOMER)).returncode == 0
    assert '"blocks": null' in lab.baseline.read_text()
    assert lab.check("--fail-on", "warn").returncode == 0
    lab.run("DROP INDEX purchase_customer_idx")
    found = lab.findings()[BY_CUSTOMER[0]]
    assert found["outcome"] == "FAIL"
    assert "cost" in found["message"]


def test_statements_of_the_server_are_planned_without_their_values(lab: Lab) -> None:
    lab.run("CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset()")
    lab.connection.execute("SELECT id, total FROM purchase WHERE customer_id = 5")
    done = lab.save("--from", "pg_stat_statements")
    assert done.returncode == 0, done.stderr
    assert "customer_id = " in lab.baseline.read_text()
    assert lab.check().returncode == 0
    lab.run("DROP INDEX purchase_customer_idx")
    assert lab.check().returncode == 1


def test_every_format_tells_the_cause(saved: Lab) -> None:
    saved.run("DROP INDEX purchase_customer_idx")
    told = "the index purchase_customer_idx is gone"
    form = json.loads(saved.check("--json").stdout)
    assert form["counts"]["FAIL"] >= 1
    assert told in json.dumps(form)
    page = saved.folder / "plans.html"
    text = saved.check("--format", "markdown", "--html", str(page)).stdout
    assert "```diff" in text
    assert told.replace("_", "\\_") in text
    assert told in page.read_text()
    (first, *_) = saved.check("--format", "github").stdout.splitlines()
    assert first.startswith("::error file=")
    assert told in first
    number = int(first.split("line=")[1].split(",")[0])
    assert '"/country"' in saved.baseline.read_text().splitlines()[number - 1] or CALLS[0][0] in first


def test_ignored_finding_counts_no_more_until_its_day(saved: Lab) -> None:
    saved.run("DROP INDEX purchase_customer_idx")
    keys = [each["key"] for each in saved.findings().values()]
    file = saved.folder / "ignore.toml"
    for until, code in (("2999-01-01", 0), ("2020-01-01", 1)):
        file.write_text(
            "".join(f'[[ignore]]\nkey = "{key}"\nreason = "until Monday"\nuntil = {until}\n' for key in keys)
        )
        done = saved.check("--ignore", str(file))
        assert done.returncode == code
    assert "ended on 2020-01-01: until Monday" in done.stdout


def test_nothing_is_written_where_nothing_has_a_plan_or_the_folder_is_gone(lab: Lab) -> None:
    lab.baseline.write_text("mine")
    done = lab.save("--sql", "SELECT * FROM missing")
    assert done.returncode == 2
    assert 'relation "missing" does not exist' in done.stderr
    assert lab.baseline.read_text() == "mine"
    gone = hotrow("plans", "save", "--dsn", lab.dsn, "--out", str(lab.folder / "no/plans.json"), "--sql", "SELECT 1")
    assert gone.returncode == 2
    assert "no/plans.json: No such file" in gone.stderr
    assert [path.name for path in lab.folder.iterdir()] == ["plans.json"]


def test_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    saved: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.baseline.read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    done = saved.save(str(saved.folder / "calls.jsonl"))
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert saved.baseline.read_bytes() == before
    assert {path.name for path in saved.folder.iterdir()} == {"plans.json", "calls.jsonl"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b'{"format": 1,', "broken JSON at line 1"),
        (b'{"format": 2}', "it is of format 2"),
        (b'{"v": 1}', "it has no format"),
        (b"[1]", "it is no baseline"),
        (b'{"format": 1}\0', "NUL"),
        (b"\xff\xfe{", "UTF-8"),
        (b'{"format": 1, "server_version": 180000, "statements": [], "tables": {}}', "holds no statement"),
        (b'{"format": 1, "server_version": 180000, "statements": [{"route": 5}], "tables": {}}', "plans is missing"),
    ],
)
def test_file_that_is_no_baseline_is_said_in_one_line(lab: Lab, content: bytes, words: str) -> None:
    lab.baseline.write_bytes(content)
    done = lab.check()
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    # Nor is it merged into.
    assert lab.save("--merge", "--sql", "SELECT 1").returncode == 2
    assert lab.baseline.read_bytes() == content


def test_server_that_does_not_answer_and_files_that_are_not_there_are_said(saved: Lab) -> None:
    nowhere = "host=127.0.0.1 port=1 connect_timeout=2"
    done = hotrow("plans", "check", "--dsn", nowhere, str(saved.baseline))
    assert done.returncode == 2
    assert "refused" in done.stderr
    assert hotrow("plans", "check", "--dsn", saved.dsn, "nowhere.json").returncode == 2
    assert "no statement" in hotrow("plans", "save", "--dsn", saved.dsn, "--out", "x.json").stderr
    empty = saved.folder / "empty.jsonl"
    empty.write_text("")
    assert saved.save(str(empty)).returncode == 2


def test_what_was_saved_is_told_to_programs(lab: Lab) -> None:
    commit = ("/x", "COMMIT", [])
    form = json.loads(lab.save("--json", lab.capture(BY_CUSTOMER, commit)).stdout)
    assert (form["statements"], form["plans"], form["added"], form["renewed"], form["known"]) == (1, 1, 1, 0, 0)
    assert [each["sql"] for each in form["skipped"]] == ["COMMIT"]
    form = json.loads(lab.save("--json", "--merge", lab.capture((*BY_CUSTOMER[:2], [78]))).stdout)
    assert (form["added"], form["renewed"], form["known"]) == (0, 0, 1)


def test_plans_are_checked_through_a_pooler_in_transaction_mode(stack: Stack, tmp_path: Path) -> None:
    file, text = tmp_path / "plans.json", "SELECT id FROM stock_reservation WHERE order_id = gen_random_uuid()"
    saved = hotrow("plans", "save", "--dsn", stack.pooled, "--out", str(file), "--sql", text)
    assert saved.returncode == 0, saved.stderr
    for _ in range(3):
        assert hotrow("plans", "check", "--dsn", stack.pooled, str(file), "--fail-on", "warn").returncode == 0

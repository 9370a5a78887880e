"""A plan that has gone wrong fails ``hotrow plans check``, which names what was done to it and nothing else."""

import psycopg

from tests.integration.plans.conftest import CALLS, Lab

CUSTOMER = "/customer/<id>"


def test_dropped_index_is_named_with_its_definition(saved: Lab) -> None:
    saved.run("DROP INDEX purchase_customer_idx")
    done = saved.check()
    assert done.returncode == 1
    assert "the index purchase_customer_idx is gone: CREATE INDEX purchase_customer_idx" in done.stdout
    found = saved.findings()
    assert found[CUSTOMER]["outcome"] == "FAIL"
    assert len(found[CUSTOMER]["causes"]) == 1
    assert any("+Seq Scan on public.purchase" in each.replace("+  ", "+") for each in found[CUSTOMER]["difference"])
    # The control: statements that do not need it are as they were.
    assert {"/open", "/total", "/email"}.isdisjoint(found)
    saved.run("CREATE INDEX purchase_customer_idx ON purchase (customer_id)")
    assert saved.check("--fail-on", "warn").returncode == 0


def test_invalid_index_is_told_from_a_missing_one(saved: Lab) -> None:
    saved.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'purchase_customer_idx'::regclass")
    found = saved.findings()[CUSTOMER]
    assert found["outcome"] == "FAIL"
    assert "INVALID" in found["causes"][0]


def test_index_with_other_columns_under_its_name_is_shown_as_changed(saved: Lab) -> None:
    saved.run("DROP INDEX purchase_customer_idx; CREATE INDEX purchase_customer_idx ON purchase (note, customer_id)")
    found = saved.findings()[CUSTOMER]
    assert found["outcome"] == "FAIL"
    assert "was changed" in found["causes"][0]


def test_renamed_index_is_a_warning_that_says_so(saved: Lab) -> None:
    saved.run("ALTER INDEX purchase_customer_idx RENAME TO purchase_buyer_idx")
    found = saved.findings()[CUSTOMER]
    assert (found["outcome"], found["rule"]) == ("WARN", "changed-plan")
    assert "purchase_buyer_idx is the same" in found["causes"][0]


def test_stale_statistics_are_named(saved: Lab) -> None:
    # Half of the table is bought by one customer, which the planner does not know.
    saved.run("UPDATE purchase SET customer_id = 77 WHERE id % 2 = 0")
    found = saved.findings()[CUSTOMER]
    assert found["outcome"] == "FAIL"
    assert "statistics are stale" in " ".join(found["causes"])
    assert "ANALYZE public.purchase" in " ".join(found["causes"])


def test_plan_that_is_kept_for_a_value_that_has_become_frequent_fails(saved: Lab) -> None:
    # The plan stays an index scan, because nobody told the planner.
    saved.run("UPDATE purchase SET status = 'open' WHERE id % 5 = 0")
    saved.save("--merge", "--sql", "SELECT sum(total) FROM purchase WHERE status = 'gone'")
    saved.run("UPDATE purchase SET status = 'gone' WHERE id % 5 = 1")
    found = saved.findings()[""]
    assert (found["outcome"], found["rule"]) == ("FAIL", "more-blocks")
    assert "statistics are stale: purchase was analyzed" in " ".join(found["causes"])
    # With new statistics it is what it is: more rows.
    with psycopg.connect(saved.dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE purchase")
    assert "stale" not in " ".join(saved.findings().get("", {"causes": ()})["causes"])


def test_table_that_was_filled_again_without_analyze_is_named(saved: Lab) -> None:
    saved.run("CREATE TABLE kept AS SELECT * FROM purchase; TRUNCATE purchase; ANALYZE purchase")
    saved.run("INSERT INTO purchase SELECT * FROM kept")
    found = saved.findings()
    assert all("purchase" in each["causes"][0] for each in found.values()), found
    assert any(each["outcome"] == "FAIL" for each in found.values()), found


def test_statistics_that_are_gone_are_seen_by_what_the_planner_expected(saved: Lab) -> None:
    saved.run("UPDATE pg_class SET reltuples = 10, relpages = 1000 WHERE relname = 'purchase'")
    saved.run("DELETE FROM pg_statistic WHERE starelid = 'purchase'::regclass")
    found = saved.findings("--fail-on", "warn")
    assert found["/country"]["causes"], found
    assert "know of 10 rows" in " ".join(found["/country"]["causes"])


def test_changed_setting_is_named_with_both_values(saved: Lab) -> None:
    saved.run("ALTER DATABASE lab SET enable_indexscan = off")
    saved.run("ALTER DATABASE lab SET enable_bitmapscan = off")
    found = saved.findings()[CUSTOMER]
    assert found["outcome"] == "FAIL"
    assert found["causes"] == [
        "settings differ: enable_bitmapscan = off, before default; enable_indexscan = off, before default"
    ]


def test_value_with_another_plan_fails_until_its_plan_is_accepted_too(lab: Lab) -> None:
    rare = ("/status", "SELECT sum(total) FROM purchase WHERE status = %s", ["open"])
    frequent = (*rare[:2], ["done"])
    assert lab.save(lab.capture(rare)).returncode == 0
    assert lab.check(lab.capture(rare), "--fail-on", "warn").returncode == 0
    found = lab.findings(lab.capture(frequent))["/status"]
    assert found["outcome"] == "FAIL"
    assert "other values" in found["causes"][-1]
    done = lab.save("--merge", lab.capture(frequent))
    assert "1 statements with 2 plans; 1 new" in done.stdout
    # Both are accepted, for their own values and for each other's.
    assert lab.check(lab.capture(frequent), "--fail-on", "warn").returncode == 0
    assert lab.check(lab.capture((*rare[:2], ["paid"])), "--fail-on", "warn").returncode == 0


def test_values_that_take_the_heavy_plan_of_others_fail(lab: Lab) -> None:
    sql = "SELECT sum(total) FROM purchase WHERE status = %s"
    lab.save(lab.capture(("/status", sql, ["open"])))
    lab.save("--merge", lab.capture(("/status", sql, ["done"])))
    lab.run("DROP INDEX purchase_status_idx")
    found = lab.findings()["/status"]
    assert (found["rule"], found["outcome"]) == ("more-blocks", "FAIL")
    assert "purchase_status_idx is gone" in found["causes"][0]
    # Who accepts that has it, for these values too.
    lab.save("--merge")
    assert lab.check("--fail-on", "warn").returncode == 0


def test_data_that_has_grown_explains_its_blocks_and_is_no_fault(lab: Lab) -> None:
    lab.run("ALTER TABLE purchase SET (parallel_workers = 0)")
    lab.save(lab.capture(("/sum", "SELECT sum(total) FROM purchase", []), CALLS[0]))
    lab.run("INSERT INTO purchase SELECT id + 100000, customer_id, status, created, total, note FROM purchase")
    lab.run("INSERT INTO purchase SELECT id + 200000, customer_id, status, created, total, note FROM purchase")
    lab.run("VACUUM ANALYZE purchase")
    done = lab.check()
    assert done.returncode == 0, done.stdout
    found = lab.findings()["/sum"]
    assert found["outcome"] == "OK"
    assert "as its data explains" in found["message"]
    assert "public.purchase has grown" in " ".join(found["causes"])


def test_bloat_is_told_from_growth(lab: Lab) -> None:
    lab.save(lab.capture(("/sum", "SELECT sum(total) FROM purchase", [])))
    for _ in range(3):
        lab.run("UPDATE purchase SET note = note || 'x'")
    lab.run("ANALYZE purchase")
    assert "larger with no more rows" in " ".join(lab.findings()["/sum"]["causes"])


def test_better_plan_is_told_and_accepted_by_a_merge(lab: Lab) -> None:
    call = ("/note", "SELECT id FROM purchase WHERE note = %s", ["x"])
    lab.save(lab.capture(call))
    lab.run("CREATE INDEX purchase_note_idx ON purchase (note)")
    done = lab.check()
    assert done.returncode == 0
    assert "OK changed-plan: a better plan" in done.stdout
    assert "the index purchase_note_idx is new" in done.stdout
    assert "1 statements with 1 plans; 1 new" in lab.save("--merge").stdout
    assert lab.check("--fail-on", "warn").returncode == 0
    # From now on it is the one that is kept.
    lab.run("DROP INDEX purchase_note_idx")
    assert lab.check().returncode == 1


def test_plans_between_which_the_planner_wavers_are_both_accepted_for_one_value(lab: Lab) -> None:
    lab.save(lab.capture(CALLS[0]))
    lab.run("ALTER DATABASE lab SET enable_bitmapscan = off")
    assert lab.check("--fail-on", "warn").returncode == 1
    assert "1 statements with 2 plans; 1 new" in lab.save("--merge").stdout
    assert lab.check("--fail-on", "warn").returncode == 0
    lab.run("ALTER DATABASE lab RESET enable_bitmapscan")
    assert lab.check("--fail-on", "warn").returncode == 0
    lab.run("DROP INDEX purchase_customer_idx")
    assert lab.check().returncode == 1


def test_statement_that_takes_longer_than_its_limit_fails_with_its_cause(lab: Lab) -> None:
    call = ("/pairs", "SELECT count(*) FROM purchase a JOIN purchase b ON b.id = a.id WHERE a.customer_id = %s", [5])
    lab.save(lab.capture(call))
    lab.run("ALTER TABLE purchase DROP CONSTRAINT purchase_pkey; DROP INDEX purchase_customer_idx")
    lab.run("ALTER DATABASE lab SET enable_hashjoin = off; ALTER DATABASE lab SET enable_mergejoin = off")
    found = lab.findings("--statement-timeout", "0.2")["/pairs"]
    assert found["outcome"] == "FAIL"
    assert "ran into the limit of 0.2 s" in found["message"]
    assert "purchase_customer_idx is gone" in " ".join(found["causes"])


def test_partition_that_is_added_and_read_is_named(lab: Lab) -> None:
    lab.run("CREATE TABLE event (id int, day int) PARTITION BY RANGE (day)")
    lab.run("CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (1) TO (2)")
    lab.run("INSERT INTO event SELECT n, 1 FROM generate_series(1, 20000) AS n")
    lab.run("ANALYZE event")
    lab.save(lab.capture(("/events", "SELECT count(*) FROM event", [])))
    lab.run("CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (2) TO (3)")
    # Empty, it costs nothing.
    found = lab.findings()["/events"]
    assert found["outcome"] == "WARN"
    assert "it reads public.event_2" in found["causes"][0]
    lab.run("INSERT INTO event SELECT n, 2 FROM generate_series(1, 40000) AS n")
    lab.run("ANALYZE event")
    assert lab.findings()["/events"]["outcome"] == "FAIL"


def test_baseline_of_somebody_else_runs_nothing_that_explain_would_not(saved: Lab) -> None:
    text = saved.baseline.read_text()
    harm = "SELECT pg_reload_conf(), id FROM customer"
    saved.baseline.write_text(text.replace("SELECT id FROM customer WHERE email = 'c7@example.org'", harm))
    done = saved.check()
    assert done.returncode == 2
    assert "SKIP: it calls pg_reload_conf, volatile" in done.stdout

"""Every rule fires where it should and is silent on the safe twin; what reads as unsafe and is not, is said so."""

import itertools
from pathlib import Path

import pytest

from tests.unit.lint_cases import ALIASES, PYTHON_CASES, SQL_CASES, Case
from tuning.contract import Outcome
from tuning.migrations import lint, squawk
from tuning.migrations.findings import Finding, Report
from tuning.migrations.rules import Rule, load
from tuning.migrations.sources import Sources
from tuning.migrations.squawk_rules import BY_NAME, OPT_IN

ROOT = Path(__file__).parents[2]
BAD = (Outcome.WARN, Outcome.FAIL)
# What needs a server is tested with one, in tests/integration/test_lint_facts.py.
LIVE = {rule.id for rule in load() if rule.needs_facts}


def judged(sql: str = "", python: str = "", **settings: object) -> Report:
    sources = Sources((("a.sql", sql),) if sql else (), (("a/migrations/0001_a.py", python),) if python else ())
    made = lint.Settings(**{"program": squawk.find(), "included": frozenset(OPT_IN)} | settings)  # type: ignore[arg-type]
    return lint.judge(lint.scripts(sources), sources, made, None)


def bad(report: Report, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule and finding.outcome in BAD]


@pytest.mark.parametrize("case", SQL_CASES, ids=lambda case: f"{case.source}: {case.entry}")
def test_rule_fires_on_the_unsafe_script_and_not_on_its_twin(case: Case) -> None:
    (first, *_) = bad(judged(case.unsafe), case.rule)
    assert first.message
    assert first.remedy
    assert bad(judged(case.safe), case.rule) == []


@pytest.mark.parametrize("case", PYTHON_CASES, ids=lambda case: case.entry)
def test_python_rule_fires_on_the_unsafe_migration_and_not_on_its_twin(case: Case) -> None:
    (found,) = bad(judged(python=case.unsafe), case.rule)
    assert found.line > 1
    assert bad(judged(python=case.safe), case.rule) == []


def test_every_other_name_of_an_entry_leads_to_a_rule_with_a_case() -> None:
    named = {rule for entries in ALIASES.values() for rule in entries.values()}
    assert named <= {case.rule for case in (*SQL_CASES, *PYTHON_CASES)}


def test_every_own_rule_has_a_case() -> None:
    assert {rule.id for rule in load()} - LIVE == {case.rule for case in (*SQL_CASES, *PYTHON_CASES)} - set(BY_NAME)


@pytest.mark.parametrize("rule", load(), ids=lambda rule: rule.id)
def test_rule_keeps_the_contract(rule: Rule) -> None:
    assert (ROOT / "tuning/migrations/rules" / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.title.endswith(".")
    assert all(text.endswith((".", ")")) for text in (rule.when, rule.why, rule.remedy))
    assert rule.check or rule.check_python or rule.check_script
    assert rule.id not in BY_NAME


def test_every_rule_has_an_outcome_with_a_reason() -> None:
    report = judged("ALTER TABLE t DROP COLUMN a", included=frozenset())
    outcomes = {rule.rule: rule for rule in report.rules}
    assert set(outcomes) >= lint.known_rules()
    assert all(rule.reason for rule in report.rules)
    assert outcomes["ban-drop-column"].outcome is Outcome.FAIL
    assert outcomes["wide-index"].outcome is Outcome.OK
    assert {outcomes[name].reason for name in LIVE} == {lint.NO_FACTS}
    assert outcomes["runsql-reversible"].reason == lint.NO_PYTHON
    assert "IF NOT EXISTS accepts an invalid index" in outcomes["prefer-robust-stmts"].reason


def test_squawk_is_skipped_with_the_way_to_install_it_when_it_is_missing() -> None:
    report = judged("DROP TABLE t; ALTER TABLE t ADD a json", program=None)
    assert [finding.rule for finding in report.findings] == ["json-column"]
    skipped = {rule.rule: rule.reason for rule in report.rules if rule.outcome is Outcome.SKIP}
    assert skipped["ban-drop-table"] == squawk.INSTALL
    assert report.notes == (lint.NO_SQUAWK,)
    assert judged("DROP TABLE t").notes == ()


def test_excluded_rule_is_skipped_with_its_reason() -> None:
    report = judged("DROP TABLE t", included=frozenset(), excluded={"ban-drop-table": "because"})
    assert report.findings == ()
    assert ("ban-drop-table", "because") in [(rule.rule, rule.reason) for rule in report.rules]


def test_rules_behind_a_syntax_error_are_skipped_and_own_rules_are_not() -> None:
    report = judged("SELEC 1; VACUUM FULL t", included=frozenset())
    assert {"syntax-error", "table-repack"} == {finding.rule for finding in report.findings}
    outcomes = {rule.rule: rule for rule in report.rules}
    assert outcomes["ban-drop-table"].outcome is Outcome.SKIP
    assert "a.sql" in outcomes["ban-drop-table"].reason


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX i ON t (a)",
        "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (id)",
        "ALTER TABLE t ALTER a SET NOT NULL",
        'ALTER TABLE "public"."t" ALTER a TYPE bigint',
        "UPDATE t SET a = 1",
    ],
)
def test_table_made_in_the_same_script_is_nobodys_yet(statement: str) -> None:
    report = judged(f"CREATE TABLE t (a bigint);\n{statement}", included=frozenset())
    assert [finding.outcome for finding in report.findings] == [Outcome.OK]
    assert "is new" in report.findings[0].reason
    other = judged(f"CREATE TABLE other.t (a bigint);\n{statement}", included=frozenset())
    assert Outcome.OK not in [finding.outcome for finding in other.findings]


def test_concurrent_build_in_a_transaction_fails_on_a_new_table_too() -> None:
    report = judged("BEGIN; CREATE TABLE t (a bigint); CREATE INDEX CONCURRENTLY i ON t (a); COMMIT")
    assert bad(report, "ban-concurrent-index-creation-in-transaction")


def test_partial_index_over_not_null_is_no_not_null() -> None:
    report = judged("CREATE INDEX CONCURRENTLY i ON t (a) WHERE b IS NOT NULL", included=frozenset())
    assert report.findings == ()


@pytest.mark.parametrize(
    ("statement", "line", "column"),
    [
        ("ALTER TABLE t\n  ADD a bigint,\n  ADD b bigint NOT NULL", 3, "b"),
        ("SELECT 'é';\nALTER TABLE t ADD c bigint NOT NULL", 2, "c"),
    ],
)
def test_finding_names_the_line_and_the_part_of_the_statement(statement: str, line: int, column: str) -> None:
    (found,) = bad(judged(f"-- ü\n{statement}"), "adding-required-field")
    assert found.line == line + 1
    assert f"add {column} bigint" in found.safe_sequence


SEQUENCES = {
    'CREATE UNIQUE INDEX "I" ON s.t USING gin (lower(a)) WHERE a > 0': [
        "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t USING gin (lower(a)) WHERE a > 0;",
        'CreateIndexFromFile("indexes/i.sql")',
    ],
    "DROP INDEX i": ['DropIndexConcurrently("indexes/i.sql")'],
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)": [
        "sql/constraints/c.sql",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
        'AddConstraintNotValid("constraints/c.sql")',
        'ValidateConstraint("constraints/c.sql")',
    ],
    "ALTER TABLE t ADD a bigint REFERENCES u (id)": [
        "ALTER TABLE t ADD CONSTRAINT t_a_fk FOREIGN KEY (a) REFERENCES u (id) NOT VALID;",
        'ValidateConstraint("constraints/t_a_fk.sql")',
    ],
    "ALTER TABLE t ADD CONSTRAINT c UNIQUE (a, b)": [
        "CREATE UNIQUE INDEX CONCURRENTLY c ON t (a, b);",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX c",
    ],
    "ALTER TABLE t ALTER a SET NOT NULL": [
        'SetNotNullSafely("t", "a")',
        "UPDATE t SET a = ... WHERE id BETWEEN %(first)s AND %(last)s;",
        'Backfill("backfills/t_a.sql", "t")',
    ],
    "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a) DEFERRABLE": [
        "CREATE UNIQUE INDEX CONCURRENTLY t_a_key ON t (a) NULLS NOT DISTINCT;",
        "ADD CONSTRAINT t_a_key UNIQUE USING INDEX t_a_key DEFERRABLE",
    ],
    "ALTER TABLE t ADD p numeric(9, 2) PRIMARY KEY": [
        "add p numeric(9, 2) without the constraint",
        "ADD CONSTRAINT t_p_pkey PRIMARY KEY USING INDEX t_p_pkey",
    ],
    "DROP INDEX a, s.b": ['DropIndexConcurrently("indexes/a.sql")', 'DropIndexConcurrently("indexes/b.sql")'],
    "UPDATE s.t SET a = '5%'": [
        "UPDATE s.t SET a = '5%%' WHERE id BETWEEN %(first)s AND %(last)s;",
        'Backfill("backfills/s_t.sql", "s.t")',
    ],
    'BEGIN; ALTER TABLE "T" ADD x int; UPDATE "T" SET a = 1 WHERE a IS NULL OR b; COMMIT': [
        'UPDATE "T" SET a = 1 WHERE (a IS NULL OR b) AND id BETWEEN %(first)s AND %(last)s;',
        """Backfill("backfills/t.sql", '"T"')""",
    ],
    "DELETE FROM t": ["a command of the project"],
    "DROP FUNCTION f_v1(int)": ['RunSQLFile("functions/f_v2.sql")', 'DropFunction("functions/f_v1.sql")'],
    "ALTER TABLE t DROP COLUMN a": ["SeparateDatabaseAndState"],
    "ALTER TABLE t ALTER a TYPE bigint": ['Backfill("backfills/t_a_new.sql", "t")'],
}


@pytest.mark.parametrize("sql", SEQUENCES)
def test_unsafe_operation_comes_with_the_kits_operations(sql: str) -> None:
    report = judged(sql, included=frozenset())
    text = "\n".join(finding.safe_sequence for finding in report.findings)
    for part in SEQUENCES[sql]:
        assert part in text


def test_files_that_a_safe_sequence_asks_for_pass_themselves() -> None:
    """What the linter tells people to write is not accused by it."""
    tried = 0
    for sql in SEQUENCES:
        for finding in judged(sql, included=frozenset()).findings:
            for head, text in itertools.pairwise(finding.safe_sequence.splitlines()):
                if "sql/" in head and head.endswith(".sql:"):
                    tried += 1
                    judgement = judged(text.strip().replace("= ...", "= 1"), included=frozenset())
                    assert [each for each in judgement.findings if each.outcome in BAD] == []
    assert tried >= 8


def test_sequence_of_the_kits_operations_is_accepted_as_sqlmigrate_prints_it() -> None:
    text = """
        ALTER TABLE t ADD CONSTRAINT t_a_not_null CHECK (a IS NOT NULL) NOT VALID;
        ALTER TABLE t VALIDATE CONSTRAINT t_a_not_null;
        ALTER TABLE t ALTER COLUMN a SET NOT NULL;
        ALTER TABLE t DROP CONSTRAINT t_a_not_null;
        -- again and again, for 1000 rows at a time:
        UPDATE t SET a = 1 WHERE id BETWEEN %(first)s AND %(last)s;
        CREATE INDEX CONCURRENTLY i ON t (a);
        DROP INDEX CONCURRENTLY i;
    """
    assert [each for each in judged(text, included=frozenset()).findings if each.outcome in BAD] == []


def test_squawk_that_cannot_judge_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    program = tmp_path / "squawk"
    program.write_text("#!/bin/sh\necho 'unexpected argument --include' >&2\nexit 2\n")
    program.chmod(0o755)
    with pytest.raises(squawk.SquawkFailed, match=r"2\.70 or newer.*unexpected argument"):
        judged("SELECT 1", program=str(program))

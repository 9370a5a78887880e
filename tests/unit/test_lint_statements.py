"""How scripts are cut and read: quoting, comments, bodies, names, lines, transactions."""

import pytest

from tuning.migrations.actions import Kind
from tuning.migrations.script import Script
from tuning.migrations.signatures import Signature
from tuning.sql_tokens import split


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("-- a; b\n--\nSELECT 1 -- c;\n;", ["SELECT 1"]),
        ("/* a /* b; */ ; c */ SELECT 1", ["SELECT 1"]),
        (r"SELECT 'C:\'; SELECT E'a\';b'", [r"SELECT 'C:\'", r"SELECT E'a\';b'"]),
        ("SELECT 'it''s; fine'; SELECT \"a;\"\"b\"", ["SELECT 'it''s; fine'", 'SELECT "a;""b"']),
        ("DO $x$ BEGIN a; $$ b; $$ END $x$; SELECT $1", ["DO $x$ BEGIN a; $$ b; $$ END $x$", "SELECT $1"]),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
            [
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
                "SELECT 3",
            ],
        ),
        ("BEGIN; SELECT 1; END;", ["BEGIN", "SELECT 1", "END"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", None),
        ("", []),
        (";;  ; -- nothing", []),
    ],
)
def test_split_cuts_only_between_statements(text: str, statements: list[str] | None) -> None:
    found = [statement.text for statement in split(text)]
    assert found == statements if statements is not None else len(found) == 2


@pytest.mark.parametrize("text", ["SELECT 'open", "SELECT $$ open", "/* open", 'SELECT "open', "((;", ")));"])
def test_split_ends_on_text_that_never_closes(text: str) -> None:
    split(text)


def test_lines_and_transactions_are_those_of_the_file() -> None:
    script = Script.of(
        "a", "BEGIN;\n--\n-- Add field\n--\nALTER TABLE t\n  ADD a int,\n  DROP b;\nCOMMIT;\nDROP TABLE u;"
    )
    found = [(step.action.kind, step.action.line, step.transaction) for step in script.steps]
    assert found == [
        (Kind.BEGIN, 1, 1),
        (Kind.ADD_COLUMN, 6, 1),
        (Kind.DROP_COLUMN, 7, 1),
        (Kind.COMMIT, 8, 1),
        (Kind.DROP_TABLE, 9, None),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "table", "names"),
    [
        ('ALTER TABLE IF EXISTS ONLY "S"."T" ADD COLUMN IF NOT EXISTS "Col" int', Kind.ADD_COLUMN, '"S"."T"', ("Col",)),
        ("alter table Shop.Orders alter column A set data type text", Kind.ALTER_TYPE, "shop.orders", ("a",)),
        ("/* x */ ALTER /* y */ TABLE t -- z\n RENAME a TO b", Kind.RENAME_COLUMN, "t", ("a",)),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a IN (1, 2)) NOT VALID", Kind.ADD_CONSTRAINT, "t", ()),
        ("CREATE UNIQUE INDEX ON t USING gist (lower(a), b DESC) WHERE a, b", Kind.CREATE_INDEX, "t", ("lower", "b")),
        ("CREATE TEMP TABLE t AS SELECT 1", Kind.CREATE_TABLE, "t", ()),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", Kind.WRITE, "t", ()),
        ("DELETE FROM ONLY t", Kind.WRITE, "t", ()),
        ("VACUUM (FULL, ANALYZE) t", Kind.REPACK, "t", ()),
        ("REINDEX (CONCURRENTLY) TABLE t", Kind.REINDEX, "t", ()),
        ("ROLLBACK TO SAVEPOINT s", Kind.OTHER, "None", ()),
        ("ALTER TABLE", Kind.OTHER, "None", ()),
        ("CREATE", Kind.OTHER, "None", ()),
    ],
)
def test_statement_is_read_with_its_names(text: str, kind: Kind, table: str, names: tuple[str, ...]) -> None:
    (step,) = Script.of("a", text).steps
    assert (step.action.kind, str(step.action.table), step.action.columns) == (kind, table, names)


@pytest.mark.parametrize(
    ("text", "arguments", "result"),
    [
        (
            "f(a int, b timestamptz DEFAULT now()) RETURNS bool LANGUAGE sql",
            "integer, timestamp with time zone",
            "boolean",
        ),
        ("f(p double precision, OUT x int, VARIADIC r text[])", "double precision, text[]", ""),
        (
            "f(numeric(10, 2), public.thing, varchar(9)[]) RETURNS SETOF int8 AS $$ $$",
            "numeric, thing, character varying[]",
            "SETOF bigint",
        ),
        ("f() RETURNS TABLE (a int, b text) STABLE", "", "TABLE(a integer, b text)"),
        ("f(a int = 4) RETURNS void LANGUAGE sql", "integer", "void"),
    ],
)
def test_signature_is_spelled_as_the_server_spells_it(text: str, arguments: str, result: str) -> None:
    (step,) = Script.of("a", f"CREATE OR REPLACE FUNCTION {text}").steps
    assert Signature.of(step.action) == Signature(arguments, result)

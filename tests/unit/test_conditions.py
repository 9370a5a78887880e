"""Conditions as EXPLAIN (VERBOSE) of PostgreSQL 15.18 and 18.6 printed them, of a table with names meant to mislead."""

import pytest

from tuning.whatif.conditions import column_of, key_part, read

# Both versions print the same; an alias o, and for the last three an alias "O.x".
PRINTED = [
    ('(o."from" = 5)', "o", "equal", '"from"', '"from" = 5'),
    ("(o.\"a.b\" = 'x) AND (y'::text)", "o", "equal", '"a.b"', "\"a.b\" = 'x) AND (y'::text"),
    ("((o.\"it\"\"s\")::text = 'O''Brien'::text)", "o", "equal", '"it""s"', "(\"it\"\"s\")::text = 'O''Brien'::text"),
    ('o."AND"', "o", "true", '"AND"', '"AND"'),
    ('(NOT o."AND")', "o", "false", '"AND"', 'NOT "AND"'),
    ("(o.\"x) OR (y\" ~~ 'abc%'::text)", "o", "prefix", '"x) OR (y"', "\"x) OR (y\" ~~ 'abc%'::text"),
    ("(o.\"x) OR (y\" ~~* '%abc%'::text)", "o", "infix", '"x) OR (y"', "\"x) OR (y\" ~~* '%abc%'::text"),
    ("(o.\"x) OR (y\" ~ '^a'::text)", "o", "none", '"x) OR (y"', "\"x) OR (y\" ~ '^a'::text"),
    ("(o.code = 'abc'::bpchar)", "o", "equal", "code", "code = 'abc'::bpchar"),
    ("(o.\"from\" = ANY ('{1,2,3}'::integer[]))", "o", "any", '"from"', "\"from\" = ANY ('{1,2,3}'::integer[])"),
    ("(o.\"from\" <> ALL ('{1,2}'::integer[]))", "o", "none", '"from"', "\"from\" <> ALL ('{1,2}'::integer[])"),
    ("(o.tags @> '{1}'::integer[])", "o", "gin", "tags", "tags @> '{1}'::integer[]"),
    ('(o.doc @> \'{"a": "OR"}\'::jsonb)', "o", "gin", "doc", 'doc @> \'{"a": "OR"}\'::jsonb'),
    ('(o."user" IS NULL)', "o", "null", '"user"', '"user" IS NULL'),
    ('(o."user" IS NOT NULL)', "o", "notnull", '"user"', '"user" IS NOT NULL'),
    ("(lower(o.\"a.b\") = 'x'::text)", "o", "equal", 'lower("a.b")', "lower(\"a.b\") = 'x'::text"),
    ('(7 < o."from")', "o", "range", '"from"', '7 < "from"'),
    ('(o."from" = o."user")', "o", "none", '"from"', '"from" = "user"'),
    ("((o.doc ->> 'k'::text) = 'v'::text)", "o", "equal", "doc ->> 'k'::text", "(doc ->> 'k'::text) = 'v'::text"),
    ("((o.made)::date = '2026-01-01'::date)", "o", "equal", "(made)::date", "(made)::date = '2026-01-01'::date"),
    ("(o.made > (now() - '1 day'::interval))", "o", "range", "made", "made > (now() - '1 day'::interval)"),
    ('(o."$1" = 3)', "o", "equal", '"$1"', '"$1" = 3'),
    ('("O.x"."from" = 5)', "O.x", "equal", '"from"', '"from" = 5'),
    ('("O.x"."a.b" = \'x) AND (y\'::text)', "O.x", "equal", '"a.b"', "\"a.b\" = 'x) AND (y'::text"),
    ('(o."from" = "O.x"."user")', "O.x", "join", '"user"', 'o."from" = "user"'),
]


@pytest.mark.parametrize(("text", "alias", "kind", "key", "without_alias"), PRINTED)
def test_condition_is_read_as_an_index_would_serve_it(
    text: str, alias: str, kind: str, key: str, without_alias: str
) -> None:
    (found,) = read(text, alias)
    assert (found.kind, column_of(found.key) or found.key, found.text) == (kind, key, without_alias)
    assert not found.is_open


def test_conditions_are_cut_at_their_own_and_alone() -> None:
    both = read('((o."größe" > 1.5) AND (o."größe" <= \'2\'::numeric))', "o")
    assert [(each.kind, each.key, each.operator) for each in both] == [
        ("range", '"größe"', ">"),
        ("range", '"größe"', "<="),
    ]
    assert len(read('((o."AND" IS NOT NULL) AND (o."a.b" = \'x) AND (y\'::text))', "o")) == 2


def test_arms_of_an_or_are_read_apart() -> None:
    (found,) = read('((o."user" = 1) OR (o."from" = 2))', "o")
    assert found.kind == "or"
    assert [(arm.kind, arm.key) for arm in found.arms] == [("equal", '"user"'), ("equal", '"from"')]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EXISTS(SubPlan 1)", "none"),  # 18
        ("(SubPlan 1)", "none"),  # 15
        ('(o."from" = (InitPlan 1).col1)', "join"),  # 18
        ('(o."from" = $0)', "join"),  # 15
        ('(ROW(o."from", o."user") > ROW(1, 2))', "none"),
    ],
)
def test_what_other_plans_answer_is_no_value(text: str, kind: str) -> None:
    (found,) = read(text, "o")
    assert found.kind == kind


def test_parameter_is_open_and_no_name_is() -> None:
    (found,) = read('(o."from" = $1)', "o")
    assert (found.kind, found.is_open) == ("equal", True)
    (named,) = read("(o.\"$1\" = '$1'::text)", "o")
    assert not named.is_open


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ('"from"', '"from"'), ("lower(a)", "lower(a)"), ('"x) OR (y"', '"x) OR (y"'),
        ("(made)::date", "((made)::date)"),
        ("lower(a) || lower(b)", "(lower(a) || lower(b))"), ("s.f(a, ')')", "s.f(a, ')')"),
    ],
)  # fmt: skip
def test_key_part_has_parentheses_where_create_index_wants_them(key: str, part: str) -> None:
    assert key_part(key) == part


def test_cast_that_its_operator_wants_is_no_part_of_the_column() -> None:
    assert column_of('("it""s")::text') == '"it""s"'
    assert column_of("(made)::date") is None

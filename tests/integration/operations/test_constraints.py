"""Constraints in two steps, and NOT NULL in four, from every point at which they may be ended."""

import threading
import time

import pytest
from django.db import IntegrityError

from service.db.errors import DefinitionDiffers, NullsLeft, WronglyUsed
from service.db.operations import AddConstraintNotValid, SetNotNullSafely, ValidateConstraint
from tests.integration.operations.project import Project
from tuning.stack.stack import Stack

CHECK = "ALTER TABLE public.item ADD CONSTRAINT item_rule CHECK (price > 0 AND name NOT LIKE '100%') NOT VALID;"
KEY = """-- Why.
ALTER TABLE item ADD CONSTRAINT item_rule FOREIGN KEY (price) REFERENCES public.kind (id)
    ON DELETE CASCADE DEFERRABLE NOT VALID;
"""
PATH = "constraints/item_rule.sql"
VALIDATED = "SELECT convalidated FROM pg_constraint WHERE conname = 'item_rule'"
NOT_NULL = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'item'::regclass AND attname = 'name'"
CHECKS = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype = 'c'"


@pytest.fixture(params=[CHECK, KEY], ids=["check", "key"])
def add(project: Project, request: pytest.FixtureRequest) -> AddConstraintNotValid:
    project.execute("CREATE TABLE kind (id integer PRIMARY KEY)", "INSERT INTO kind SELECT generate_series(1, 50)")
    return AddConstraintNotValid(project.write(PATH, request.param))


def test_constraint_is_added_validated_and_dropped(project: Project, add: AddConstraintNotValid) -> None:
    validate = ValidateConstraint(PATH)
    for _ in range(2):
        project.forwards(add)
        assert project.value(VALIDATED) is False
    for _ in range(2):
        project.forwards(validate)
        assert project.value(VALIDATED) is True
    project.forwards(add)
    project.backwards(validate)
    assert project.value(VALIDATED) is True
    for _ in range(2):
        project.backwards(add)
        assert project.execute(VALIDATED) == []


def test_validation_refuses_a_row_that_breaks_the_rule(project: Project, add: AddConstraintNotValid) -> None:
    project.execute("INSERT INTO item (price) VALUES (-1)")
    project.forwards(add)
    with pytest.raises(IntegrityError):
        project.forwards(ValidateConstraint(PATH))
    assert project.value(VALIDATED) is False
    project.execute("DELETE FROM item WHERE price = -1")
    project.forwards(ValidateConstraint(PATH))


def test_validation_before_the_constraint_is_refused(project: Project, add: AddConstraintNotValid) -> None:
    with pytest.raises(WronglyUsed, match=r"AddConstraintNotValid.* comes before it"):
        project.forwards(ValidateConstraint(PATH))


def test_constraint_of_another_definition_is_refused(project: Project, add: AddConstraintNotValid) -> None:
    project.execute("ALTER TABLE item ADD CONSTRAINT item_rule CHECK (price > -5)")
    for refused in (lambda: project.forwards(add), lambda: project.backwards(add)):
        with pytest.raises(DefinitionDiffers, match="on the server: CHECK"):
            refused()
    assert project.value(VALIDATED) is True


def test_key_to_another_table_is_refused(project: Project) -> None:
    project.execute(
        "CREATE TABLE kind (id integer PRIMARY KEY)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.kind (id integer PRIMARY KEY)",
        "ALTER TABLE item ADD CONSTRAINT item_rule FOREIGN KEY (price) REFERENCES other.kind (id)"
        " ON DELETE CASCADE DEFERRABLE NOT VALID",
    )
    try:
        with pytest.raises(DefinitionDiffers):
            project.forwards(AddConstraintNotValid(project.write(PATH, KEY)))
    finally:
        project.execute("DROP SCHEMA other CASCADE")


@pytest.mark.parametrize(
    "text",
    [
        CHECK.replace(" NOT VALID", ""),
        CHECK + "DROP TABLE item;",
        CHECK.replace("item_rule", "other"),
        "ALTER TABLE item ADD CONSTRAINT item_rule UNIQUE (price);",
    ],
)
def test_file_that_is_not_one_rule_not_valid_is_refused(project: Project, text: str) -> None:
    with pytest.raises(WronglyUsed, match="must hold one statement"):
        project.forwards(AddConstraintNotValid(project.write(PATH, text)))


def test_operations_refuse_a_transaction_and_a_pooler(project: Project, stack: Stack) -> None:
    operations = [
        AddConstraintNotValid(project.write(PATH, CHECK)), ValidateConstraint(PATH), SetNotNullSafely("item", "name")
    ]  # fmt: skip
    for operation in operations:
        with pytest.raises(WronglyUsed, match="atomic = False"):
            project.forwards(operation, atomic=True)
    project.connect(stack.pooled)
    for operation in operations:
        with pytest.raises(WronglyUsed, match="a pooler stands between"):
            project.forwards(operation)


def test_validation_lets_writers_go_on_and_waits_without_bound(project: Project) -> None:
    """A session that holds the validation's own lock for longer than any lock_timeout does not end it."""
    project.forwards(AddConstraintNotValid(project.write(PATH, CHECK)))
    with project.session() as blocker:
        blocker.execute("LOCK TABLE item IN SHARE UPDATE EXCLUSIVE MODE")
        threading.Timer(1.2, blocker.commit).start()
        started = time.monotonic()
        project.forwards(ValidateConstraint(PATH))
        assert time.monotonic() - started > 1.0
    assert project.value(VALIDATED) is True


def test_column_becomes_not_null_and_back(project: Project) -> None:
    operation = SetNotNullSafely("public.item", "name")
    for _ in range(2):
        project.forwards(operation)
        assert (project.value(NOT_NULL), project.value(CHECKS)) == (True, 0)
    for _ in range(2):
        project.backwards(operation)
        assert (project.value(NOT_NULL), project.value(CHECKS)) == (False, 0)


def test_not_null_goes_on_from_each_step_where_it_was_ended(project: Project) -> None:
    operation = SetNotNullSafely("item", "name")
    add = f"ALTER TABLE item ADD CONSTRAINT {operation.check_name} CHECK (name IS NOT NULL)"
    for left in ([f"{add} NOT VALID"], [add], [add, "ALTER TABLE item ALTER name SET NOT NULL"]):
        project.execute(*left)
        project.forwards(operation)
        assert (project.value(NOT_NULL), project.value(CHECKS)) == (True, 0)
        project.backwards(operation)
    project.execute(f"{add} NOT VALID")
    project.backwards(operation)
    assert (project.value(NOT_NULL), project.value(CHECKS)) == (False, 0)


def test_not_null_leaves_nothing_where_rows_have_no_value(project: Project) -> None:
    project.execute("INSERT INTO item (price) VALUES (1)")
    with pytest.raises(NullsLeft, match="nothing was changed"):
        project.forwards(SetNotNullSafely("item", "name"))
    assert (project.value(NOT_NULL), project.value(CHECKS)) == (False, 0)


def test_set_not_null_reads_no_row_under_its_strong_lock(project: Project) -> None:
    """The validated CHECK spares the scan; the control without it reads the table."""
    operation = SetNotNullSafely("item", "name")
    project.execute(f"ALTER TABLE item ADD CONSTRAINT {operation.check_name} CHECK (name IS NOT NULL)")

    def scanned(*statements: str) -> bool:
        with project.session() as connection:
            connection.execute("SET client_min_messages = debug1")
            told: list[str] = []
            connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
            for statement in statements:
                connection.execute(statement)
            connection.rollback()
        return not any("are sufficient to prove" in line for line in told)

    set_not_null = "ALTER TABLE item ALTER name SET NOT NULL"
    assert not scanned(set_not_null)
    assert scanned(f"ALTER TABLE item DROP CONSTRAINT {operation.check_name}", set_not_null)


def test_not_null_refuses_a_column_that_is_not_there_and_a_rule_of_another(project: Project) -> None:
    with pytest.raises(WronglyUsed, match="has no column"):
        project.forwards(SetNotNullSafely("item", "colour"))
    with pytest.raises(WronglyUsed, match="there is no table"):
        project.forwards(SetNotNullSafely("things", "name"))
    with pytest.raises(WronglyUsed, match="is not the name of a column"):
        project.forwards(SetNotNullSafely("item", "name; DROP TABLE item"))
    operation = SetNotNullSafely("item", "name")
    project.execute(f"ALTER TABLE item ADD CONSTRAINT {operation.check_name} CHECK (price > 0)")
    with pytest.raises(DefinitionDiffers, match="is another rule"):
        project.forwards(operation)


def test_sqlmigrate_prints_what_runs(project: Project) -> None:
    add = AddConstraintNotValid(project.write(PATH, CHECK))
    validate = ValidateConstraint(PATH)
    assert project.forwards(add, collect_sql=True) == [CHECK]
    assert project.backwards(add, collect_sql=True) == ["ALTER TABLE public.item DROP CONSTRAINT item_rule;"]
    assert project.forwards(validate, collect_sql=True) == ["ALTER TABLE public.item VALIDATE CONSTRAINT item_rule;"]
    assert project.backwards(validate, collect_sql=True) == []
    assert project.forwards(SetNotNullSafely("item", "name"), collect_sql=True) == [
        "ALTER TABLE item ADD CONSTRAINT item_name_not_null CHECK (name IS NOT NULL) NOT VALID;",
        "ALTER TABLE item VALIDATE CONSTRAINT item_name_not_null;",
        "ALTER TABLE item ALTER COLUMN name SET NOT NULL;",
        "ALTER TABLE item DROP CONSTRAINT item_name_not_null;",
    ]

"""Django's own operations under the lock discipline: all or none, with what Django would put off."""

import pytest
from django.db import ProgrammingError, migrations, models
from django.db.migrations.writer import OperationWriter

from service.db.errors import WronglyUsed
from service.db.operations import SetNotNullSafely, WithLockTimeout
from tests.integration.operations.project import Project

COLUMNS = (
    "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0"
)
KEYS = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass('project_box')"


def column(name: str) -> migrations.RunSQL:
    return migrations.RunSQL(f"ALTER TABLE item ADD COLUMN {name} text", f"ALTER TABLE item DROP COLUMN {name}")


def test_models_and_what_django_puts_off_are_made_and_dropped_together(project: Project) -> None:
    shelf = migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))])
    box = migrations.CreateModel("Box", [("id", models.BigAutoField(primary_key=True))])
    key = migrations.AddField("box", "shelf", models.ForeignKey("Shelf", models.CASCADE, null=True))
    operation = WithLockTimeout([shelf, box, key])
    project.forwards(operation)
    assert project.value(KEYS) == 1
    project.backwards(operation)
    assert project.value("SELECT to_regclass('project_box')") is None
    assert project.value("SELECT to_regclass('project_shelf')") is None


def test_failure_of_the_second_undoes_the_first(project: Project) -> None:
    before = project.value(COLUMNS)
    with pytest.raises(ProgrammingError):
        project.forwards(WithLockTimeout([column("shelf"), column("name")]))
    assert project.value(COLUMNS) == before


def test_sqlmigrate_shows_every_statement(project: Project) -> None:
    operation = WithLockTimeout([column("shelf"), column("place")])
    assert "place" in project.forwards(operation, collect_sql=True)[-1]
    assert "DROP COLUMN place" in project.backwards(operation, collect_sql=True)[0]


def test_transaction_is_refused(project: Project) -> None:
    with pytest.raises(WronglyUsed, match="atomic = False"):
        project.forwards(WithLockTimeout([column("shelf")]), atomic=True)


def test_operation_that_commits_by_itself_is_refused() -> None:
    with pytest.raises(WronglyUsed, match=r"Set NOT NULL item\.name"):
        WithLockTimeout([SetNotNullSafely("item", "name")])


def test_it_is_written_with_its_operations() -> None:
    text, imports = OperationWriter(WithLockTimeout([column("shelf")]), indentation=0).serialize()
    assert "migrations.RunSQL" in text
    assert "import service.db.operations" in imports
    assert not WithLockTimeout([migrations.RunSQL("SELECT 1")]).reversible

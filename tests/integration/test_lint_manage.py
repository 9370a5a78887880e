"""The linter asks a Django project of somebody else's for its SQL: unapplied, squashed, not SQL, broken."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tuning.stack.stack import Stack

ROOT = Path(__file__).parents[2]
MANAGE = """
    import os, sys
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
INITIAL = """
    from django.db import migrations, models

    class Migration(migrations.Migration):
        {head}
        operations = [
            migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True))]),
            migrations.AddIndex("Order", models.Index(fields=["id"], name="order_id_idx")),
        ]
"""
SECOND = """
    from django.db import migrations, models

    def fill(apps, schema_editor):
        rows = apps.get_model("shop", "Order")

    class Migration(migrations.Migration):
        dependencies = [("shop", "{before}")]
        operations = [
            migrations.AddField("Order", "place", models.BigIntegerField(default=1)),
            migrations.RunPython(fill),
        ]
"""
Lint = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(stack: Stack, tmp_path: Path) -> Path:
    """A project with two migrations, none of them applied, in a schema that is not there."""
    place = conninfo_to_dict(stack.direct)
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": place["dbname"], "USER": place["user"]}
    database |= {"HOST": place["host"], "PORT": place["port"], "PASSWORD": place["password"]}
    database["OPTIONS"] = {"options": "-c search_path=lint_project"}
    settings = f"SECRET_KEY = 'x'\nUSE_TZ = True\nINSTALLED_APPS = ['shop']\nDATABASES = {{'default': {database!r}}}\n"
    write(tmp_path / "manage.py", MANAGE)
    write(tmp_path / "settings.py", settings)
    write(tmp_path / "shop/__init__.py", "")
    write(tmp_path / "shop/migrations/__init__.py", "")
    write(tmp_path / "shop/migrations/0001_initial.py", INITIAL.format(head=""))
    write(tmp_path / "shop/migrations/0002_place.py", SECOND.format(before="0001_initial"))
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


@pytest.fixture
def lint(project: Path) -> Lint:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tuning.cli.main", "migrations", "lint", "--manage", "manage.py", *arguments]
        env = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
        return subprocess.run(command, cwd=project, env=env | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)

    return run


def rules(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {each["rule"]: each for each in json.loads(done.stdout)["findings"] if each["outcome"] in ("WARN", "FAIL")}


def test_unapplied_migrations_are_judged_with_their_source(lint: Lint, project: Path) -> None:
    done = lint("--json")
    assert done.returncode == 1, done.stderr
    found = rules(done)
    assert found["required-column-default-dropped"]["path"] == "shop.0002_place"
    assert found["unjudged-code"]["path"] == "shop.0002_place"
    assert found["runpython-reversible"]["path"] == str(project / "shop/migrations/0002_place.py")
    assert found["runpython-model-variable"]["line"] == 5
    # The index is on a table of the same migration.
    assert "require-concurrent-index-creation" not in found
    assert json.loads(done.stdout)["files"] == 4


def test_one_migration_is_judged_by_name(lint: Lint) -> None:
    done = lint("--app", "shop", "--migration", "0001")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 files" in done.stdout


def test_squashed_migration_is_judged_in_place_of_those_it_replaces(lint: Lint, project: Path) -> None:
    replaces = 'replaces = [("shop", "0001_initial"), ("shop", "0002_place")]'
    write(project / "shop/migrations/0001_squashed_0002_place.py", INITIAL.format(head=replaces))
    done = lint("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["files"] == 2  # its SQL and its source
    assert "0002_place.py" not in done.stdout
    ambiguous = lint("--app", "shop", "--migration", "0001")
    assert ambiguous.returncode == 2
    assert "More than one migration matches" in ambiguous.stderr


def test_error_of_sqlmigrate_is_shown(lint: Lint, project: Path) -> None:
    write(project / "shop/migrations/0002_place.py", SECOND.format(before="0001_missing"))
    done = lint()
    assert done.returncode == 2
    assert "0001_missing" in done.stderr
    assert done.stdout == ""


def test_table_that_an_unapplied_migration_makes_is_nobodys_where_the_server_has_none(lint: Lint, stack: Stack) -> None:
    done = lint("--json", "--dsn", stack.direct, "--sample-seconds", "0")
    assert done.returncode == 0, done.stdout
    (found,) = (each for each in json.loads(done.stdout)["findings"] if each["rule"].startswith("required-column"))
    assert (found["outcome"], found["reason"]) == ("OK", "the table is new: nobody uses it yet")


def test_applied_migrations_are_not_judged(lint: Lint, project: Path, direct: psycopg.Connection) -> None:
    direct.execute("CREATE SCHEMA lint_project")
    try:
        subprocess.run([sys.executable, "manage.py", "migrate", "shop", "0001"], cwd=project, check=True)
        assert "shop.0001_initial" not in {each["path"] for each in json.loads(lint("--json").stdout)["findings"]}
        subprocess.run([sys.executable, "manage.py", "migrate"], cwd=project, check=True)
        done = lint()
        assert done.returncode == 0
        assert "every migration of the project is applied" in done.stdout
    finally:
        direct.execute("DROP SCHEMA lint_project CASCADE")

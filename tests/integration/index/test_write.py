"""``hotrow index write``: in a project of its own, applied, reversed, and clean for makemigrations."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.integration.index.conftest import Lab
from tests.unit.command import ROOT, Done, hotrow

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopsite")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
import os
from pathlib import Path
from psycopg.conninfo import conninfo_to_dict

given = conninfo_to_dict(os.environ["SHOPSITE_DSN"])
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": given["dbname"], "USER": given["user"],
                         "PASSWORD": given["password"], "HOST": given["host"], "PORT": given["port"]}}
HOTROW_SQL_ROOT = Path(__file__).parent / "sql"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MODELS = """from django.db import models


class Buyer(models.Model):
    name = models.TextField()  # größer


class Order(models.Model):
    buyer = models.ForeignKey(Buyer, models.CASCADE, db_index=False)
    state = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        db_table = "order"
        indexes = [models.Index(fields=["state"], name="order_state")]
"""
WANTED = 'CREATE INDEX ON public."order" (buyer_id, made_at DESC) INCLUDE (state)'


class Site:
    def __init__(self, root: Path, dsn: str) -> None:
        self.root = root
        self.dsn = dsn

    def manage(self, *arguments: str) -> str:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("HOTROW_", "DJANGO_"))}
        done = subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *arguments], cwd=self.root, capture_output=True, text=True,
            env=env | {"SHOPSITE_DSN": self.dsn, "PYTHONPATH": f"{self.root}:{ROOT}"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, *arguments: str) -> Done:
        return hotrow("index", "write", "--app", "shop", "--project", str(self.root), *arguments)

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path): path.read_bytes() for path in found}

    def indexes(self) -> dict[str, bool]:
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute(
                "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
                " WHERE indrelid = to_regclass('public.order') AND NOT indisprimary"
            )
            return dict(rows.fetchall())


@pytest.fixture
def site(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    (tmp_path / "shop/migrations").mkdir(parents=True)
    (tmp_path / "sql").mkdir()
    for path, text in {
        "manage.py": MANAGE, "shopsite.py": SETTINGS, "shop/__init__.py": "", "shop/models.py": MODELS,
        "shop/migrations/__init__.py": "",
    }.items():  # fmt: skip
        (tmp_path / path).write_text(text)
    lab.connection.execute("DROP DATABASE IF EXISTS shopsite")
    lab.connection.execute("CREATE DATABASE shopsite")
    dsn = psycopg.conninfo.make_conninfo(lab.dsn, dbname="shopsite")
    monkeypatch.setenv("SHOPSITE_DSN", dsn)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    made = Site(tmp_path, dsn)
    made.manage("makemigrations", "shop")
    made.manage("migrate")
    return made


def test_index_is_written_applied_reversed_and_dropped_again(site: Site) -> None:
    done = site.write("--index", WANTED)
    assert done.returncode == 0, done.stderr
    (name,) = (path.stem for path in (site.root / "sql/indexes").glob("*.sql"))
    assert len(name) <= 30
    assert f"named {name}" in done.stdout
    site.manage("check")
    site.manage("makemigrations", "--check", "--dry-run")
    site.manage("migrate")
    assert site.indexes() == {"order_state": True, name: True}
    site.manage("migrate", "shop", "0001")
    assert site.indexes() == {"order_state": True}
    site.manage("migrate")
    statement = f'CREATE INDEX {name} ON public."order" (buyer_id, made_at DESC) INCLUDE (state)'
    done = site.write("--drop", "--index", statement)
    assert done.returncode == 0, done.stderr
    assert name not in (site.root / "shop/models.py").read_text()
    assert "größer" in (site.root / "shop/models.py").read_text()
    site.manage("makemigrations", "--check", "--dry-run")
    site.manage("migrate")
    assert site.indexes() == {"order_state": True}
    site.manage("migrate", "shop", "0002")
    assert site.indexes() == {"order_state": True, name: True}


def test_index_that_django_cannot_tell_changes_no_model(site: Site) -> None:
    models = (site.root / "shop/models.py").read_text()
    done = site.write("--index", "CREATE INDEX order_open ON public.\"order\" (lower(state)) WHERE state <> 'done'")
    assert done.returncode == 0, done.stderr
    assert "Meta is left as it is" in done.stdout
    assert (site.root / "shop/models.py").read_text() == models
    site.manage("makemigrations", "--check", "--dry-run")
    site.manage("migrate")
    assert site.indexes()["order_open"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--index", "CREATE INDEX i ON nowhere (a)"), "no model of the table nowhere"),
        (("--index", 'CREATE INDEX order_state ON public."order" (state)'), "already"),
        (("--index", 'CREATE INDEX taken ON public."order" (state)'), "not overwritten"),
        (("--index", 'CREATE INDEX "Big" ON public."order" (state)'), "needs quotes"),
        (("--index", "CREATE INDEX i ON nowhere"), "not understood"),
        ((), "no index"),
    ],
)
def test_nothing_is_half_written(site: Site, arguments: tuple[str, ...], words: str) -> None:
    (site.root / "sql/indexes").mkdir()
    (site.root / "sql/indexes/taken.sql").write_text("-- taken\n")
    before = site.files()
    done = site.write(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert site.files() == before

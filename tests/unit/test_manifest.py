"""The list of SQL files: what it says, what is found, and that migrations read the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.db import manifest as reading
from service.db.errors import NotListed
from tuning.migrations import files, manifest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two listed files, which is also the one that migrations read."""
    (tmp_path / "functions").mkdir()
    for name in ("b", "a"):
        (tmp_path / f"functions/{name}_v1.sql").write_text(f"CREATE FUNCTION {name}_v1() ...")
    manifest.write(tmp_path)
    monkeypatch.setattr("service.db.sqlfiles.root", lambda path: tmp_path)
    return tmp_path


def cli(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuning.cli.main", "migrations", "manifest", "--sql", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_kit_lists_its_files_as_they_are() -> None:
    assert manifest.differences(manifest.SQL_ROOT) == []
    lines = (ROOT / "sql/MANIFEST").read_text()
    assert lines == manifest.text(ROOT / "sql")
    assert lines.splitlines() == sorted(lines.splitlines(), key=lambda line: line.split()[1])


def test_list_is_what_sha256sum_reads(root: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", "MANIFEST"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_each_difference_is_found_and_gone_when_listed(root: Path) -> None:
    assert manifest.differences(root) == []
    (root / "functions/a_v1.sql").write_text("changed")
    (root / "functions/b_v1.sql").unlink()
    (root / "functions/c_v1.sql").write_text("new")
    assert manifest.differences(root) == [
        "functions/a_v1.sql has changed since it was listed",
        "functions/b_v1.sql is listed and not there",
        "functions/c_v1.sql is not listed",
    ]
    manifest.write(root)
    assert manifest.differences(root) == []
    assert [path.name for path in root.iterdir() if path.is_file()] == ["MANIFEST"]


def test_migrations_read_listed_files_alone(root: Path) -> None:
    assert reading.read("functions/a_v1.sql") == "CREATE FUNCTION a_v1() ..."
    (root / "functions/c_v1.sql").write_text("new")
    with pytest.raises(NotListed, match="is not listed"):
        reading.read("functions/c_v1.sql")
    with pytest.raises(NotListed, match="does not exist; files there: a_v1"):
        reading.read("functions/z_v1.sql")
    (root / "functions/b_v1.sql").write_text("changed")
    with pytest.raises(NotListed, match="has changed since it was listed"):
        reading.read("functions/b_v1.sql")
    (root / "MANIFEST").unlink()
    with pytest.raises(NotListed, match="is not listed"):
        reading.read("functions/a_v1.sql")


def test_command_exits_with_what_it_found(root: Path) -> None:
    assert cli(root).returncode == 0
    (root / "functions/c_v1.sql").write_text("new")
    checked = cli(root, "--check")
    assert checked.returncode == 1
    assert "functions/c_v1.sql is not listed" in checked.stdout
    assert "hotrow migrations manifest --write" in checked.stderr
    assert '"functions/c_v1.sql is not listed"' in cli(root, "--json").stdout
    assert cli(root, "--write").returncode == 0
    assert cli(root).returncode == 0
    empty = cli(root / "functions/nowhere")
    assert empty.returncode == 1
    assert "holds no SQL files" in empty.stderr


def test_replacing_files_count_once_and_bodies_are_not_read_as_statements(root: Path) -> None:
    for number in (9, 10):
        (root / f"functions/touch_v{number}.sql").write_text(
            "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $a$\n"
            "CREATE FUNCTION touch( $$ FUNCTION touch() $$\n$a$; REVOKE ALL ON FUNCTION touch() FROM PUBLIC;"
        )
    found = {file.path: file for file in files.read(root).functions}
    assert list(found) == ["functions/a_v1.sql", "functions/b_v1.sql", "functions/touch_v10.sql"]
    made = found["functions/touch_v10.sql"].temporary
    assert made.startswith("CREATE OR REPLACE FUNCTION pg_temp.touch() RETURNS")
    assert "$$ FUNCTION touch() $$" in made
    assert made.endswith("REVOKE ALL ON FUNCTION pg_temp.touch() FROM PUBLIC;")

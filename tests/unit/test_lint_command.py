"""``hotrow migrations lint`` as people and CI call it: sources, formats, exit codes; ``hotrow rules``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.command import ROOT, Done, hotrow
from tuning.chain import rules as chain
from tuning.migrations.rules import load

UNSAFE = "BEGIN;\nALTER TABLE t DROP COLUMN a;\nCREATE INDEX CONCURRENTLY i ON t (a, b, c, d);\n"


def lint(*arguments: str, stdin: str = "", cwd: Path = ROOT) -> Done:
    return hotrow("migrations", "lint", *arguments, stdin=stdin, cwd=cwd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app/migrations").mkdir(parents=True)
    (tmp_path / "app/migrations/__init__.py").write_text("")
    (tmp_path / "app/migrations/0001_a.py").write_text("operations = [RunSQL('SELECT 1')]\n")
    (tmp_path / "app/models.py").write_text("operations = [RunSQL('SELECT 1')]\n")
    (tmp_path / "one.sql").write_text(UNSAFE)
    return tmp_path


def test_house_sql_is_accepted() -> None:
    done = lint("sql", "--fail-on", "warn", "--include", "prefer-text-field")
    assert done.returncode == 0, done.stdout
    assert "0 FAIL, 0 WARN" in done.stdout


def test_directory_is_looked_through_for_sql_and_migrations(folder: Path) -> None:
    done = lint(".", "--json", cwd=folder)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["files"] == 2
    assert {(each["path"], each["line"], each["rule"]) for each in found["findings"]} >= {
        ("one.sql", 2, "ban-drop-column"),
        ("one.sql", 3, "wide-index"),
        ("app/migrations/0001_a.py", 1, "runsql-reversible"),
    }
    assert set(found["counts"]) == {"OK", "SKIP", "WARN", "FAIL"}
    assert "2 files" in done.stderr


def test_standard_input_is_judged() -> None:
    done = lint("-", stdin="DROP TABLE t")
    assert done.returncode == 1
    assert "stdin:1: FAIL ban-drop-table" in done.stdout
    assert lint("-", stdin="").returncode == 0


@pytest.mark.parametrize(
    ("text", "limit", "code"),
    [
        ("DROP TABLE t", "fail", 1),
        ("DROP TABLE t", "never", 0),
        ("ALTER TABLE t ADD a json", "fail", 0),
        ("ALTER TABLE t ADD a json", "warn", 1),
        ("ALTER TABLE t ADD a jsonb", "warn", 0),
    ],
)
def test_exit_code_says_whether_the_limit_is_reached(text: str, limit: str, code: int) -> None:
    assert lint("-", "--fail-on", limit, stdin=text).returncode == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to judge"),
        (["nowhere.sql"], "nowhere.sql does not exist"),
        (["empty"], "holds no .sql file"),
        (["binary.sql"], "no text in UTF-8"),
        (["bad.py"], "bad.py line 1 is no Python"),
        (["one.sql", "--exclude", "no-such-rule"], "there is no rule no-such-rule"),
        (["one.sql", "--dsn", "host=127.0.0.1 port=1"], "the server of --dsn cannot be read"),
        (["one.sql", "--dsn", "no connection string"], "the server of --dsn cannot be read"),
        (["--manage", "manage.py"], "manage.py does not exist"),
        (["one.sql", "--app", "a"], "need --manage"),
    ],
)
def test_what_cannot_be_judged_exits_2_and_says_why(folder: Path, arguments: list[str], words: str) -> None:
    (folder / "empty").mkdir()
    (folder / "binary.sql").write_bytes(b"SELECT '\xff'")
    (folder / "bad.py").write_text("def\n")
    done = lint(*arguments, cwd=folder)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_manage_that_fails_is_shown(folder: Path) -> None:
    (folder / "manage.py").write_text("import sys\nsys.exit('the settings are broken')\n")
    done = lint("--manage", "manage.py", cwd=folder)
    assert done.returncode == 2
    assert "the settings are broken" in done.stderr
    done = lint("--manage", "manage.py", "--python", "./no-python", cwd=folder)
    assert done.returncode == 2
    assert "no-python: No such file" in done.stderr


def test_sarif_has_the_structure_of_its_standard(folder: Path) -> None:
    log = json.loads(lint("one.sql", "--format", "sarif", cwd=folder).stdout)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "hotrow"
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    assert run["results"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "one.sql"
        assert place["region"]["startLine"] >= 1


def test_github_annotation_is_one_line_each(folder: Path) -> None:
    lines = lint("one.sql", "--format", "github", cwd=folder).stdout.splitlines()
    assert any(line.startswith("::error file=one.sql,line=2,title=ban-drop-column::") for line in lines)
    assert any(line.startswith("::warning file=one.sql,line=3,title=wide-index::") for line in lines)
    assert all(line.startswith("::") for line in lines)


def test_project_configuration_of_squawk_is_respected_and_told(folder: Path) -> None:
    (folder / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\n')
    done = lint("one.sql", "--verbose", cwd=folder)
    assert "FAIL ban-drop-column" not in done.stdout
    assert "SKIP ban-drop-column: excluded in .squawk.toml" in done.stdout
    assert "FAIL ban-drop-column" in lint("one.sql", "--include", "ban-drop-column", cwd=folder).stdout


def test_verbose_tells_what_is_harmless_and_why_rules_were_skipped() -> None:
    text = "CREATE TABLE t (id bigint); CREATE INDEX i ON t (id)"
    assert "require-concurrent-index-creation" not in lint("-", stdin=text).stdout
    told = lint("-", "--verbose", stdin=text).stdout
    assert "OK require-concurrent-index-creation" in told
    assert "SKIP lock-behind-transaction: needs facts of the server" in told


def test_rules_are_listed_and_shown() -> None:
    listed = {rule["id"] for rule in json.loads(hotrow("rules", "list", "--json").stdout)}
    assert listed >= {rule.id for rule in load()} | {"changing-column-type"}
    assert {rule.id for rule in chain.load()} <= listed
    assert "DISABLE_SERVER_SIDE_CURSORS True" in hotrow("rules", "show", "server-side-cursors").stdout
    shown = hotrow("rules", "show", "wide-index").stdout
    for word in ("When: ", "Why: ", "Remedy: "):
        assert word in shown
    assert "squawkhq.com/docs/changing-column-type" in hotrow("rules", "show", "changing-column-type").stdout
    command = [sys.executable, "-m", "tuning.cli.main", "rules", "show", "nothing"]
    unknown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert unknown.returncode == 1
    assert "there is no rule nothing" in unknown.stderr

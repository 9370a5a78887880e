"""``hotrow chain`` on this service, and on projects of others, with a real PgBouncer and PostgreSQL."""

import contextlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.testing import CliRunner

from tuning.cli.main import app
from tuning.observe import poolers, projects, servers
from tuning.observe.chain import Pool, Workers
from tuning.stack import binaries, postgres
from tuning.stack.accounts import server_account
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make
from tuning.stack.stack import Stack

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def chain(*arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Done:
    """Run the command in this process, in an environment without anybody else's settings."""
    unset = {key: None for key in os.environ if key.startswith(("HOTROW_", "PG", "DJANGO_"))}
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, ["chain", *arguments], env={**unset, "PYTHONPATH": str(ROOT), **(env or {})})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def verdicts(done: Done) -> dict[str, str]:
    return {each["rule"]: each["outcome"] for each in json.loads(done.stdout)["verdicts"]}


def findings(done: Done) -> set[str]:
    return {rule for rule, outcome in verdicts(done).items() if outcome in ("WARN", "FAIL")}


def of_service(stack: Stack, *arguments: str, **settings: str) -> Done:
    env = {f"HOTROW_{name}": value for name, value in (stack.service_env() | settings).items()}
    service = ["--settings", "service.config.settings", "--gunicorn", "python:service.config.gunicorn"]
    links = ["--pgbouncer", stack.console, "--dsn", stack.superuser]
    return chain(*service, *links, *arguments, env=env)


def test_this_service_is_judged_whole_and_is_well(stack: Stack) -> None:
    done = of_service(stack, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = verdicts(done)
    assert "SKIP" not in told.values()
    # What Debian has is older than the newest, and a load test waits longer than a shop would.
    assert findings(done) <= {"pgbouncer-version", "pool-timeout"}
    assert told["pool-timeout"] == "WARN"
    for secret in conninfo_to_dict(stack.pooled)["password"], conninfo_to_dict(stack.superuser)["password"]:
        assert str(secret) not in done.stdout


def test_this_service_set_wrong_is_found(stack: Stack) -> None:
    # The service would refuse to start if it knew PgBouncer's limit.
    wrong = {"POOL_SIZE": "200", "WORKERS": "8", "PGBOUNCER_MAX_CLIENTS": "10000"}
    done = of_service(stack, "--json", "--worker-connections", "2000", **wrong)
    assert done.returncode == 1
    assert "client-budget" in findings(done)
    preloaded = of_service(stack, "--preload")
    assert preloaded.returncode == 1
    assert "FAIL driver-before-patch: preload_app imports the project" in preloaded.stdout
    assert "remedy: preload_app False" in preloaded.stdout


def test_this_service_without_pgbouncer_skips_its_rules_with_the_reason(stack: Stack) -> None:
    env = {f"HOTROW_{name}": value for name, value in stack.service_env().items()}
    done = chain("--settings", "service.config.settings", "--json", env=env)
    assert done.returncode == 0, done.stderr
    reasons = {each["rule"]: each["reason"] for each in json.loads(done.stdout)["verdicts"]}
    assert reasons["client-budget"] == "no workers were given: --gunicorn, or --worker-class and what follows it"
    assert "--pgbouncer" in reasons["server-side-cursors"]


SETTINGS = """
    SECRET_KEY = "x"
    USE_TZ = True
    DATABASES = {{
        "default": {{
            "ENGINE": "django.db.backends.postgresql",
            "NAME": {dbname!r},
            "USER": {user!r},
            "PASSWORD": {password!r},
            "HOST": {host!r},
            "PORT": {port!r},
            "OPTIONS": {{"options": "-c statement_timeout=5s", "prepare_threshold": 5, "pool": True}},
            "CONN_MAX_AGE": 60,
            "ATOMIC_REQUESTS": True,
        }},
        "local": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}},
    }}
    print("settings may print")
"""
GUNICORN = """
    import psycopg
    worker_class = "gevent"
    workers = 3
"""


@pytest.fixture
def project(tmp_path: Path, stack: Stack) -> Path:
    """A project as many are: each of its settings is a mistake."""
    place = conninfo_to_dict(stack.pooled)
    (tmp_path / "shop_settings.py").write_text(textwrap.dedent(SETTINGS).format(**place))
    (tmp_path / "gunicorn.conf.py").write_text(textwrap.dedent(GUNICORN))
    return tmp_path


EXPECTED = {
    "atomic-requests",
    "connect-timeout",
    "driver-before-patch",
    "health-checks",
    "pool-queue",
    "pool-timeout",
    "pool-with-connection-age",
    "prepare-without-binding",
    "server-side-cursors",
    "startup-parameters",
}


def test_mistakes_of_another_project_are_found_and_its_password_is_not_told(stack: Stack, project: Path) -> None:
    links = ["--pgbouncer", stack.console, "--dsn", stack.superuser]
    done = chain("--settings", "shop_settings", "--gunicorn", "gunicorn.conf.py", *links, "--json", cwd=project)
    assert done.returncode == 1, done.stderr
    # Debian's PgBouncer is old, and carries no prepared statements.
    assert findings(done) - {"pgbouncer-version", "prepared-statements"} == EXPECTED
    assert str(conninfo_to_dict(stack.pooled)["password"]) not in done.stdout + done.stderr
    text = chain("--settings", "shop_settings", *links, "--directory", str(project))
    assert "FAIL startup-parameters: alias default se" in text.stdout


def test_what_is_found_is_so(stack: Stack, project: Path) -> None:
    """PgBouncer and Django do what the rules say they do."""
    script = "import django, sys; django.setup(); from django.db import connection; connection.cursor()"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop_settings"}
    done = subprocess.run([sys.executable, "-c", script], cwd=project, env=env, capture_output=True, text=True)
    assert "Pooling doesn't support persistent connections" in done.stderr
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        psycopg.connect(make_conninfo(stack.pooled, options="-c statement_timeout=5s"))
    with pytest.raises(psycopg.ProgrammingError, match="prepared_max"):
        psycopg.connect(stack.pooled, prepared_max=0)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [(None, None), (True, Pool()), ({"min_size": 2}, Pool(2, 2)), ({"max_size": 9, "timeout": 1}, Pool(4, 9, 1.0))],
)
def test_pool_has_the_sizes_that_django_gives_it(tmp_path: Path, pool: object, expected: Pool | None) -> None:
    entry = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "OPTIONS": {"pool": pool} if pool else {}}
    (tmp_path / "pool_settings.py").write_text(f"SECRET_KEY = 'x'\nDATABASES = {{'default': {entry!r}}}\n")
    (alias,) = projects.read("pool_settings", sys.executable, tmp_path).aliases
    assert alias.pool == expected


def test_project_without_postgresql_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lite_settings.py").write_text(
        "SECRET_KEY = 'x'\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}\n"
    )
    with pytest.raises(projects.Unreadable, match="has no PostgreSQL database"):
        projects.read("lite_settings", sys.executable, tmp_path)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("", {}, Workers()),
        ("threads = 4", {}, Workers("gthread", threads=4)),
        (
            "worker_class = 'gevent'; worker_connections = 50",
            {"workers": 3},
            Workers("gevent", 3, worker_connections=50),
        ),
        ("import psycopg; preload_app = True", {}, Workers(is_preloaded=True, early_imports=("psycopg",))),
        ("worker_class = 'gevent'", {"worker_class": "sync", "threads": None}, Workers()),
    ],
)
def test_workers_are_what_gunicorn_makes_of_its_settings(
    tmp_path: Path, text: str, options: dict[str, object], expected: Workers
) -> None:
    (tmp_path / "conf.py").write_text(text)
    assert projects.read_workers("conf.py", sys.executable, tmp_path, options) == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to judge"),
        (["--settings", "no_such_settings"], "No module named 'no_such_settings'"),
        (["--settings", "shop_settings", "--python", "/no/python"], "/no/python cannot be run"),
        (["--settings", "shop_settings", "--directory", "/no/directory"], "is no directory"),
        (["--settings", "shop_settings", "--pooled", "other"], "--pooled other"),
        (["--settings", "shop_settings", "--exclude", "other"], "there is no rule other"),
        (["--worker-class", "gevent", "--gunicorn", "missing.py"], "missing.py"),
        (["--pgbouncer", "host=127.0.0.1 port=1"], "PgBouncer's console does not answer"),
        (["--settings", "shop_settings", "--dsn", "host=127.0.0.1 port=1"], "the server of --dsn cannot be read"),
        (["--pgbouncer-ini", "missing.ini"], "missing.ini: No such file"),
        (["--pgbouncer-ini", "gunicorn.conf.py"], "is no pgbouncer.ini"),
        (["--pgbouncer-version", "1.2"], "needs --pgbouncer-ini"),
    ],
)
def test_what_cannot_be_read_exits_2_and_says_what_to_do(project: Path, arguments: list[str], says: str) -> None:
    done = chain(*arguments, cwd=project)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_file_and_console_of_pgbouncer_tell_the_same(stack: Stack) -> None:
    told = poolers.from_console(stack.console)
    read = poolers.from_file(stack.paths.data("pgbouncer") / "pgbouncer.ini", "PgBouncer 1.18.0")
    assert {(each.name, each.database, each.pool_size) for each in told.databases} == {
        (each.name, each.database, each.pool_size) for each in read.databases
    }
    assert [told.mode(name) for name in ("hotrow", "hotrow_lane", "hotrow_direct")] == ["transaction"] * 2 + ["session"]
    assert [read.mode(name) for name in ("hotrow", "hotrow_lane", "hotrow_direct")] == ["transaction"] * 2 + ["session"]
    for name in ("listen_port", "max_client_conn", "query_wait_timeout", "server_login_retry", "auth_type"):
        assert told.settings[name] == read.settings[name]


def test_session_stays_on_the_direct_alias_and_not_on_the_others(stack: Stack) -> None:
    migrator = make_conninfo(
        stack.pooled, user=postgres.MIGRATOR_ROLE, password=conninfo_to_dict(stack.direct)["password"]
    )
    with psycopg.connect(migrator, dbname=postgres.DIRECT_DATABASE, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '123ms'")
        with psycopg.connect(migrator, dbname=postgres.DIRECT_DATABASE, autocommit=True) as other:
            assert other.execute("SHOW lock_timeout").fetchone() != ("123ms",)
            assert connection.execute("SHOW lock_timeout").fetchone() == ("123ms",)


def test_server_tells_its_room_and_the_settings_of_a_role(
    any_postgres: binaries.PostgresBinaries, state_directory: Path
) -> None:
    root = state_directory / f"chain-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    node = postgres.Server(root / "data", free_port(), root / "postgres.log")
    settings = POSTGRES_SETTINGS | {"max_connections": "40", "lock_timeout": "7s", "shared_buffers": "16MB"}
    child = postgres.start_primary(node, any_postgres, server_account(), settings, secrets)
    try:
        dsn = node.conninfo(postgres.SUPERUSER, secrets.superuser, "postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE ROLE app")
            connection.execute("ALTER ROLE app SET statement_timeout = '3s'")
            connection.execute("ALTER ROLE app IN DATABASE postgres SET statement_timeout = '4s'")
            connection.execute("ALTER ROLE app IN DATABASE template1 SET statement_timeout = '5s'")
            connection.execute(sql.SQL("ALTER DATABASE postgres SET timezone = 'Europe/Berlin'"))
        found = servers.read(dsn, ["app", "stranger"])
    finally:
        child.stop()
    assert (found.version // 10000, found.max_connections, found.reserved_connections) == (any_postgres.major, 40, 3)
    assert found.role_settings["app"]["statement_timeout"] == "4s"
    assert found.role_settings["app"]["lock_timeout"] in ("7s", "7000ms")
    assert found.role_settings["app"]["timezone"] == "Europe/Berlin"
    assert found.role_settings["stranger"]["statement_timeout"] in ("0", "0ms")

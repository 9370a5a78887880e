"""Ask a Django project for its side of the connection chain, in a process of its own and with its own Python."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tuning.observe import inside_project
from tuning.observe.chain import POOL_MIN_SIZE, POOL_TIMEOUT_S, Alias, Pool, Project, Workers

TIMEOUT_S = 60
# Django's two back ends for PostgreSQL, and those that others derive from them, are named like this.
ENGINES = ("postg", "psql")
# A traceback's last lines name the cause; the first ones name the importers.
SHOWN_LINES = 6


class Unreadable(ValueError):
    """A link of the chain cannot be read; the message says why and what to do."""


def read(settings: str, python: str, directory: Path) -> Project:
    """Read the settings module as Django does.

    Raises:
        Unreadable: It cannot be imported, or has no PostgreSQL.
    """
    found = _ask(python, directory, "django", settings, doing=f"the settings module {settings}")
    aliases = tuple(_alias(each) for each in found["aliases"] if any(name in each["engine"] for name in ENGINES))
    if not aliases:
        raise Unreadable(f"{settings} has no PostgreSQL database: DATABASES names {_engines(found['aliases'])}")
    return Project(tuple(found["django"]), tuple(found["psycopg"]), found["libpq"], aliases)


def read_workers(configuration: str, python: str, directory: Path, given: Mapping[str, Any]) -> Workers:
    """Read a gunicorn configuration file, or ``python:module``, and what the command line says instead.

    Raises:
        Unreadable: The file cannot be read.
    """
    workers = Workers()
    if configuration:
        name = f"gunicorn's configuration {configuration}"
        found = _ask(python, directory, "gunicorn", configuration, doing=name)
        workers = Workers(**{**found, "early_imports": tuple(found["early_imports"])})
    known = {each.name for each in fields(Workers)}
    workers = replace(workers, **{key: value for key, value in given.items() if key in known and value is not None})
    if workers.worker_class == "sync" and workers.threads > 1:
        # gunicorn itself does so: its settings reference, threads.
        workers = replace(workers, worker_class="gthread")
    return replace(workers, threads=1) if workers.worker_class == "sync" else workers


def _ask(python: str, directory: Path, *arguments: str, doing: str) -> dict[str, Any]:
    source = Path(inside_project.__file__).read_text(encoding="utf-8")
    if not directory.is_dir():
        raise Unreadable(f"{directory} is no directory: --directory takes the one that holds manage.py")
    command = [python, "-c", source, *arguments]
    env = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    try:
        done = subprocess.run(
            command, cwd=directory, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"{doing} was not read within {TIMEOUT_S} s") from error
    except OSError as error:
        raise Unreadable(f"{python} cannot be run: {error.strerror}; --python takes the project's Python") from error
    try:
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
            return found
    except (ValueError, IndexError):
        pass
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-SHOWN_LINES:]
    hint = f"it is read in {directory} with {python}: --directory and --python name others"
    raise Unreadable("\n  ".join([f"{doing} cannot be read; {hint}", *said]))


def _alias(found: dict[str, Any]) -> Alias:
    pool = found["pool"]
    return Alias(
        name=found["name"],
        host=found["host"],
        port=found["port"],
        database=found["database"],
        user=found["user"],
        conn_max_age_s=found["conn_max_age"],
        has_health_checks=found["health_checks"],
        has_server_side_cursors=found["server_side_cursors"],
        is_atomic=found["atomic"],
        time_zone=found["time_zone"],
        pool=None if pool is None else _pool(pool),
        options=found["options"],
        connections=found["connections"],
    )


def _pool(found: dict[str, Any]) -> Pool:
    least = int(found.get("min_size", POOL_MIN_SIZE))
    return Pool(
        min_size=least,
        max_size=int(found.get("max_size", least)),
        timeout_s=float(found.get("timeout", POOL_TIMEOUT_S)),
        max_waiting=int(found.get("max_waiting", 0)),
    )


def _engines(aliases: list[dict[str, Any]]) -> str:
    return ", ".join(sorted({each["engine"] for each in aliases})) or "none"

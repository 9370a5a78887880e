"""Ask a Django project for the SQL of its migrations, through its own manage.py in a process of its own."""

import re
import subprocess
from pathlib import Path

from tuning.migrations.sources import Sources, Unreadable

# "[ ]  app.0001_initial" in `showmigrations --plan`; what is applied has an X.
_PLANNED = re.compile(r"^\[ \]\s+(?P<app>\w+)\.(?P<name>\S+)", re.MULTILINE)
TIMEOUT_S = 120


def read(manage: Path, python: str, apps: list[str], migration: str | None) -> Sources:
    """Return the SQL and the Python source of the unapplied migrations, or of the one that is named.

    Raises:
        OSError: There is no such Python.
        Unreadable: manage.py is not there or fails; the message ends with what it said.
    """
    if not manage.is_file():
        raise Unreadable(f"{manage} does not exist: --manage takes the path of the project's manage.py")
    if migration is not None and len(apps) != 1:
        raise Unreadable("--migration needs --app, once: a migration's name is that of one app")
    if migration is not None:
        wanted = [(apps[0], migration)]
    else:
        plan = _run(python, manage, "showmigrations", "--plan", *apps)
        wanted = [(match["app"], match["name"]) for match in _PLANNED.finditer(plan)]
        wanted = [(app, name) for app, name in wanted if not apps or app in apps]
    if not wanted:
        return Sources(notes=("every migration of the project is applied: nothing to judge; --migration names one",))
    found = Sources()
    for app, name in wanted:
        sql = _run(python, manage, "sqlmigrate", "--no-color", app, name)
        found += Sources(sql=((f"{app}.{name}", sql),)) + _source(manage, app, name)
    return found


def _run(python: str, manage: Path, *arguments: str) -> str:
    command = [python, str(manage.resolve()), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"{manage} {' '.join(arguments)} did not end within {TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Unreadable(f"{manage} {' '.join(arguments)} failed:\n" + "\n".join(said[-15:]))
    return done.stdout


def _source(manage: Path, app: str, name: str) -> Sources:
    """The migration's Python source, where one file below the project can be meant."""
    folders = [file for file in manage.resolve().parent.rglob(f"migrations/{name}*.py") if _app(file) == app]
    files = [file for file in folders if file.stem == name] or folders
    if len(files) != 1:
        return Sources(notes=(f"{app}.{name}: its Python source was not found below {manage.parent}",))
    return Sources(python=((str(files[0]), files[0].read_text(encoding="utf-8")),))


def _app(file: Path) -> str:
    return file.parent.parent.name

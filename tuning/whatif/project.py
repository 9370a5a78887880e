"""One app of a Django project, as the project's own Python tells it."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning.whatif import inside_models
from tuning.whatif.errors import Unwritten

TIMEOUT_S = 60
_SHOWN_LINES = 6
_SETTINGS = re.compile(r"""setdefault\(\s*["']DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")


@dataclass(frozen=True, slots=True)
class Model:
    """``columns`` leads from a column to its field."""

    name: str
    table: str
    file: Path
    columns: dict[str, str]
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class App:
    """``leaf`` is the migration that the next one depends on, ``sql_root`` the folder of SQL files."""

    label: str
    migrations: Path
    names: tuple[str, ...]
    leaf: str
    sql_root: Path
    models: tuple[Model, ...]


def read(directory: Path, label: str, python: str, settings: str | None) -> App:
    """Ask the project in ``directory``, which holds manage.py.

    Raises:
        Unwritten: It does not answer, or cannot take a migration of the kit's operations.
    """
    module = settings or _settings(directory)
    source = Path(inside_models.__file__).read_text(encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    try:
        done = subprocess.run(
            [python, "-c", source, module, label], cwd=directory, env=env, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else {}
    except subprocess.TimeoutExpired as error:
        raise Unwritten(f"the project did not answer within {TIMEOUT_S} s") from error
    except (OSError, ValueError, IndexError) as error:
        raise Unwritten(f"the project in {directory} cannot be read with {python}: {error}") from error
    if not found:
        said = "\n  ".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
        raise Unwritten(f"the project in {directory} cannot be read with {python} and {module}:\n  {said}")
    if "error" in found:
        raise Unwritten(found["error"])
    return _app(label, found)


def _app(label: str, found: dict[str, Any]) -> App:
    if len(found["leaves"]) != 1:
        names = ", ".join(name for _, name in found["leaves"])
        raise Unwritten(f"the app {label} has {len(found['leaves'])} last migrations ({names}): merge them first")
    if not found["sql_root"]:
        raise Unwritten("the project's settings name no folder of SQL files: HOTROW_SQL_ROOT = BASE_DIR / 'sql'")
    if not found["has_operations"]:
        raise Unwritten("the project's Python has no service.db.operations: install the kit there")
    models = tuple(
        Model(each["name"], each["table"], Path(each["file"]), each["columns"], tuple(each["indexes"]))
        for each in found["models"]
    )
    root = Path(found["sql_root"])
    return App(label, Path(found["migrations"]), tuple(found["names"]), found["leaves"][0][1], root, models)


def _settings(directory: Path) -> str:
    try:
        match = _SETTINGS.search((directory / "manage.py").read_text(encoding="utf-8"))
    except OSError as error:
        raise Unwritten(f"{directory} holds no manage.py: --project takes the folder that does") from error
    if match is None:
        raise Unwritten(f"{directory}/manage.py names no settings: give them with --settings")
    return match[1]

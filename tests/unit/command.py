"""The ``hotrow`` command in this process: a new one each time takes most of a second."""

import contextlib
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from tuning.cli.main import app

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def hotrow(*arguments: str, stdin: str | bytes = "", cwd: Path = ROOT) -> Done:
    """Run a command; whatever is no exit code is raised."""
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)

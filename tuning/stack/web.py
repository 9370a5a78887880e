"""The service under gunicorn, and its management commands; both run as modules, never imported."""

import http.client
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tuning.stack.children import Child, run, spawn
from tuning.stack.ports import HOST


def manage(arguments: list[str], env: Mapping[str, str]) -> None:
    """Run one management command of the service.

    Raises:
        StackError: It failed; the message holds the end of its output.
    """
    run([sys.executable, "-m", "service.manage", *arguments], doing=" ".join(arguments), env=environment(env))


def start(log: Path, port: int, env: Mapping[str, str]) -> Child:
    """Start gunicorn and wait until the service says that it is ready.

    Raises:
        StackError: It does not start.
    """
    child = spawn(
        "web",
        [sys.executable, "-m", "gunicorn", "-c", "python:service.config.gunicorn", "service.config.wsgi"],
        log=log,
        env=environment({**env, "BIND": f"{HOST}:{port}"}),
    )
    try:
        child.wait_until(lambda: answers(port, "/readyz"))
    except BaseException:
        child.stop()
        raise
    return child


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with exactly these service settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HOTROW_", "PG", "DJANGO_"))}
    return kept | {f"HOTROW_{name}": value for name, value in settings.items()}


def answers(port: int, path: str) -> bool:
    """Whether a server on this port answers a GET with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

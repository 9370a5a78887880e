"""Django's own checks of a deployment find nothing, in a process of the API and in one of the admin."""

import os
import subprocess
import sys

import pytest

GOOD = {
    "HOTROW_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "HOTROW_JWT_KEYS": "k:" + "x" * 32,
    "HOTROW_DATABASE_URL": "postgresql://u@127.0.0.1/d",
}


def check(**settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOTROW_")}
    command = [sys.executable, "-m", "service.manage", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, env=kept | GOOD | settings, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("admin", ["true", "false"])
def test_deployment_has_nothing_to_complain_of(admin: str) -> None:
    done = check(HOTROW_ADMIN=admin)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"HOTROW_SECRET_KEY": "short"}, "security.W009"), ({"HOTROW_DEBUG": "true"}, "security.W018")],
)
def test_weak_deployment_is_found(changes: dict[str, str], code: str) -> None:
    done = check(**changes)
    assert (done.returncode, code in done.stderr) == (1, True), done.stderr

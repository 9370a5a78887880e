"""What a deployment runs around ``migrate``: rights for the roles, and a start that waits for the migrations."""

import re

import pytest
from psycopg.conninfo import make_conninfo

from tests.commands import run
from tuning.stack.postgres import GRANTED_ROLES
from tuning.stack.stack import Stack


def test_process_starts_on_a_migrated_database(stack: Stack) -> None:
    done = run(stack, "require_migrations")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dbname": "postgres"}, "lacks .* migrations, the first is contenttypes.0001_initial: run `migrate`"),
        ({"port": "1"}, "does not tell its migrations: .*refused"),
    ],
)
def test_process_says_in_one_line_why_it_does_not_start(stack: Stack, changes: dict[str, str], says: str) -> None:
    settings = {"DATABASE_URL": make_conninfo(stack.direct, **changes), "CONNECTION_MODE": "per_request"}
    done = run(stack, "require_migrations", settings=settings)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search(says, done.stderr), done.stderr


def test_rights_are_given_by_name_and_all_or_none(stack: Stack) -> None:
    owner = {"DATABASE_URL": stack.direct, "CONNECTION_MODE": "per_request"}
    pairs = [f"{role}={kind}" for kind, role in GRANTED_ROLES.items()]
    done = run(stack, "grant_access", *pairs, settings=owner)
    assert (done.returncode, done.stdout) == (0, "Gave 4 roles their rights.\n")
    refused = run(stack, "grant_access", "hotrow_app=none", "nobody_here=app", settings=owner)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "no role nobody_here" in refused.stderr
    # Nothing of the refused call was done.
    as_app = run(stack, "grant_access", "hotrow_app=lab", settings={"CONNECTION_MODE": "per_request"})
    assert "permission denied for function grant_access_v1" in as_app.stderr
    assert run(stack, "require_migrations").returncode == 0

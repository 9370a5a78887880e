"""``hotrow psql`` opens a session as the role that was asked for."""

import pytest

from tests.e2e.processes import Hotrow

pytest_plugins = ["tests.e2e.instances"]

_WHO = ["--tuples-only", "--no-align", "-c", "SELECT current_user"]


def test_psql_is_the_role_that_was_asked_for(kept: Hotrow) -> None:
    kept.up()
    told = {role: kept.run("psql", "--role", role, *_WHO) for role in ("app", "readonly", "migrator")}
    assert {role: done.out.strip() for role, done in told.items()} == {
        "app": "hotrow_app",
        "readonly": "hotrow_readonly",
        "migrator": "hotrow_owner",
    }
    denied = kept.run("psql", "-c", "UPDATE product_stock SET available = 0")
    assert denied.code != 0
    assert "permission denied" in denied.err


@pytest.mark.parametrize(
    ("arguments", "says"), [(["--role", "root"], "there is no role 'root'"), ([], "is not running: `hotrow up")]
)
def test_psql_says_what_is_wrong(hotrow: Hotrow, arguments: list[str], says: str) -> None:
    done = hotrow.run("psql", *arguments)
    assert done.code == 1
    assert says in done.err

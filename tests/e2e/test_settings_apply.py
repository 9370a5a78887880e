"""``hotrow settings --apply`` on a stack that runs: in force after its restart, asked for once, and taken back."""

import json
from typing import Any

import psycopg
import pytest

from tests.e2e.processes import Hotrow

pytest_plugins = ["tests.e2e.instances"]
# More workers than the profile has, so that the service has to be started again.
GIVEN = ("--storage", "ssd", "--web-cores", "3", "--memory-gib", "4", "--cores", "2", "--seconds", "0", "--json")


def settings(hotrow: Hotrow, *arguments: str) -> dict[str, Any]:
    done = hotrow.run("settings", "--instance", hotrow.instance, *GIVEN, *arguments)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def proposed(found: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["proposed"] for each in found["advice"] if each["outcome"] in ("WARN", "FAIL")}


def cost(hotrow: Hotrow) -> str:
    with psycopg.connect(hotrow.address("primary")) as connection:
        row = connection.execute("SHOW random_page_cost").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.timeout(180)
def test_apply_restarts_the_stack_once_and_undo_brings_it_back(hotrow: Hotrow) -> None:
    hotrow.up()
    before = proposed(settings(hotrow))
    assert {"postgresql/random_page_cost": "1.1", "gunicorn/workers": "3"}.items() <= before.items()
    assert cost(hotrow) == "4"
    applied = settings(hotrow, "--apply")
    assert any(line.startswith("ALTER SYSTEM RESET random_page_cost") for line in applied["reverse"])
    code, status = hotrow.status()
    assert (code, status["state"], cost(hotrow)) == (0, "ready", "1.1")
    assert proposed(settings(hotrow)) == {}
    undone = hotrow.run("settings", "--instance", hotrow.instance, "--undo")
    assert undone.code == 0, undone.err
    assert (hotrow.status()[0], cost(hotrow)) == (0, "4")
    assert proposed(settings(hotrow)) == before

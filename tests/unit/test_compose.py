"""docker-compose.yml: valid, and what compose_rules says of it; each rule with a file that breaks it."""

import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.compose_rules import BROKEN, FILE, ROOT, STOPS, Model, compose, model, seconds
from tuning.stack.profiles import KIT
from tuning.stack.stack import DIRECT_POOL_SIZE, MAX_CLIENT_CONN

CASES = [(rule, change) for rule, changes in BROKEN.items() for change in changes]


@pytest.fixture(scope="module")
def deployment() -> Model:
    return model()


def test_file_follows_the_specification() -> None:
    done = compose("config", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new"),
    [("read_only: true", "readonly: true"), ("retries: 5", "retries: many"), ("networks: [back]", "networks: [bakc]")],
)
def test_file_that_does_not_is_refused(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "docker-compose.yml"
    text = FILE.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert compose("config", "--quiet", file=file).returncode != 0


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__)
def test_no_service_breaks_a_rule(deployment: Model, rule: Callable[[Model], list[str]]) -> None:
    assert rule(deployment) == []


@pytest.mark.parametrize(
    ("rule", "change"), CASES, ids=[f"{rule.__name__}-{number}" for number, (rule, _) in enumerate(CASES)]
)
def test_broken_file_is_found(
    deployment: Model, rule: Callable[[Model], list[str]], change: Callable[[Model], None]
) -> None:
    broken = copy.deepcopy(deployment)
    change(broken)
    assert rule(broken) != []


def test_rules_know_every_service(deployment: Model) -> None:
    assert set(STOPS) < set(deployment["services"])
    assert set(deployment["services"]) == {
        *("primary", "replica", "pgbouncer", "redis", "migrate", "web", "worker", "beat"),
        *("load-master", "load-worker", "backup", "tools"),
        *("prometheus", "grafana", "postgres-exporter", "pgbouncer-exporter", "redis-exporter"),
    }


def test_requests_may_end_before_web_is_killed(deployment: Model) -> None:
    needed = {"SECRET_KEY": "x", "JWT_KEYS": f"k:{'x' * 32}", "DATABASE_URL": "dbname=x"}
    told = subprocess.run(
        [sys.executable, "-c", "from service.config import gunicorn; print(gunicorn.graceful_timeout)"],
        env=os.environ | {f"HOTROW_{name}": value for name, value in needed.items()},
        capture_output=True,
        text=True,
        check=True,
    )
    # The defaults of a drain and of a deadline; the file sets neither.
    assert not {"HOTROW_DRAIN_S", "HOTROW_REQUEST_DEADLINE_S"} & set(deployment["services"]["web"]["environment"])
    assert seconds(deployment["services"]["web"]["stop_grace_period"]) >= int(told.stdout) + 5


def test_no_variable_of_the_file_has_a_secret_for_a_default() -> None:
    # A secret has no variable at all; those there are have names of another kind.
    names = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert names
    assert [name for name in names if re.search(r"PASSWORD|SECRET|KEY|TOKEN", name)] == []


def test_every_variable_is_in_the_example(deployment: Model) -> None:
    named = set(re.findall(r"(?:^|[^$])\$\{(HOTROW_\w+)", FILE.read_text()))
    listed = set(re.findall(r"^#?(HOTROW_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named <= listed | {"HOTROW_LOAD_PORT"}
    assert listed - named <= {"HOTROW_TRUSTED_PROXIES", "HOTROW_PAYMENT_URL"}


def test_deployment_has_the_local_stacks_figures(deployment: Model) -> None:
    pooler = deployment["services"]["pgbouncer"]["environment"]
    assert {name: int(pooler[name]) for name in pooler if name.endswith(("SIZE", "CONN"))} == {
        "POOL_SIZE": KIT.pool_size,
        "LANE_POOL_SIZE": KIT.lane_pool_size,
        "DIRECT_POOL_SIZE": DIRECT_POOL_SIZE,
        "MAX_CLIENT_CONN": MAX_CLIENT_CONN,
    }
    limits = re.findall(
        r"^ALTER ROLE hotrow_(\w+) SET (\w+) = '(\w+)';$", (ROOT / "postgres/limits.sql").read_text(), re.MULTILINE
    )
    assert {(kind, name, value) for kind, name, value in limits} == {
        (kind, name, value) for kind in ("app", "admin", "readonly") for name, value in KIT.role_settings.items()
    }

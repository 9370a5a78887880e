"""The running deployment: docker-compose.yml with secrets of its own, a free port, and the bases that there are."""

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.client import Answer, Client
from tests.compose.engine import DEBIAN_BASE, LEAST_PGBOUNCER, MONITORING_IMAGE, SUITE, build, docker
from tests.unit.compose_rules import EXPORTERS, FILE, ROOT, Model, compose, model
from tuning.stack.ports import free_port

PROJECT = "hotrow-test"
VERSION = "0-test"
COMES_BACK_WITHIN_S = 90
ARCHIVE = "/var/lib/hotrow-archive"
RUNNING = ("primary", "replica", "pgbouncer", "redis", "web", "worker", "beat", "prometheus", *sorted(EXPORTERS))
PRODUCT = 1
UNITS = 100_000


class Deployment:
    """Use :meth:`compose` for what a person would type."""

    def __init__(self, engine: dict[str, str], directory: Path) -> None:
        self.engine = engine
        self.port = free_port()
        self.settings = {**engine, "HOTROW_VERSION": VERSION, "HOTROW_PORT": str(self.port)}
        self.settings |= {"COMPOSE_PROFILES": "monitoring", "HOTROW_GRAFANA_PORT": str(free_port())}
        self.settings["HOTROW_ARCHIVE"] = ARCHIVE
        self.model: Model = model(**self.settings)
        self.is_debian = build(engine, self.model)
        secrets = directory / "secrets"
        self._secrets = secrets
        self._make_secrets()
        changed: dict[str, Any] = {"secrets": {name: {"file": str(secrets / name)} for name in self.model["secrets"]}}
        if self.is_debian:
            changed["services"] = {
                "redis": {"image": DEBIAN_BASE},
                "pgbouncer": {"environment": {"PGBOUNCER_MIN_VERSION": LEAST_PGBOUNCER}},
                # Debian's engine does not know start_interval, by which this one is ten seconds as well.
                "worker": {"healthcheck": {"interval": "10s"}},
                **{name: {"image": MONITORING_IMAGE} for name in ("prometheus", *EXPORTERS)},
                # No package has it; the checks ask Prometheus what its dashboards would.
                "grafana": {"image": MONITORING_IMAGE, "deploy": {"replicas": 0}},
            }
        self._override = directory / "override.json"
        self._override.write_text(json.dumps(changed))

    @property
    def has_new_pooler(self) -> bool:
        """Whether PgBouncer is one that the published images would have: with peers and prepared statements."""
        return not self.is_debian or SUITE != "bookworm"

    def compose(self, *arguments: str, is_checked: bool = True, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run docker-compose on the project, with the override."""
        whole = ["--file", str(self._override), "--project-name", PROJECT, *arguments]
        done = compose(*whole, file=FILE, **{**self.settings, **settings})
        assert not is_checked or done.returncode == 0, f"{arguments}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def secret(self, name: str) -> str:
        return (self._secrets / name).read_text().strip()

    def renew_secret(self, name: str) -> None:
        (self._secrets / name).unlink()
        self._make_secrets()

    def _make_secrets(self) -> None:
        subprocess.run(["make", "secrets", f"SECRETS={self._secrets}"], cwd=ROOT, check=True, capture_output=True)

    def inspect(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker(self.engine, "inspect", f"{PROJECT}-{service}-1").stdout)[0]
        return found

    def inside(self, service: str, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a service's container, as its user."""
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return self.compose("exec", "-T", *given, service, "sh", "-c", script, is_checked=False)

    def query(self, statement: str, service: str = "primary") -> list[list[str]]:
        """Ask PostgreSQL as its superuser, over the socket in its container."""
        done = self.inside(service, 'psql -XAtc "$STATEMENT" hotrow', STATEMENT=statement)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def console(self, command: str) -> list[dict[str, str]]:
        """Ask PgBouncer's console."""
        script = 'psql -XA -F "|" -c "$COMMAND" "host=127.0.0.1 port=6432 user=hotrow_monitor dbname=pgbouncer"'
        done = self.inside("pgbouncer", script, COMMAND=command, PGPASSWORD=self.secret("monitor_password"))
        assert done.returncode == 0, done.stderr
        names, *rows = [line.split("|") for line in done.stdout.splitlines() if "|" in line]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def is_well(self, service: str) -> bool:
        state = self.inspect(service)["State"]
        return bool(state["Running"]) and state.get("Health", {}).get("Status", "healthy") == "healthy"

    def kill(self, service: str) -> None:
        """End a container as the kernel would; the engine does not take it for a wish, as it does ``docker kill``."""
        os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Buyer:
    """Reserves one unit after the other, each until it is told how that ended."""

    def __init__(self, url: str, product: int) -> None:
        self.told = 0
        self._url = url
        self._product = product
        self._token = self._until(lambda client: client.log_in("user1")).json["access_token"]

    def reserve(self) -> None:
        key = uuid.uuid4().hex
        answer = self._until(lambda client: client.reserve(self._product, 1, key))
        assert answer.status == 201, answer.body
        self.told += 1

    def _until(self, ask: Callable[[Client], Answer]) -> Answer:
        deadline = time.monotonic() + COMES_BACK_WITHIN_S
        while True:
            try:
                with Client(self._url) as client:
                    client.token = getattr(self, "_token", None)
                    answer = ask(client)
            except (OSError, HTTPException) as error:
                told: object = error
            else:
                # 503 passes by itself; everything else is an answer.
                if answer.status != 503:
                    return answer
                told = answer.body
            assert time.monotonic() < deadline, f"away for {COMES_BACK_WITHIN_S} s: {told!r}"
            time.sleep(0.2)

"""What docker-compose.yml promises, each as a function that names the services, or parts, that break it.

The model is what ``docker-compose config`` makes of the file: anchors, merges and variables are resolved.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
Model = dict[str, Any]

DATABASES = {"primary", "replica", "pgbouncer", "redis", "backup", "tools"}
SERVICE = ("web", "worker", "beat")
EXPORTERS = {"postgres-exporter", "pgbouncer-exporter", "redis-exporter"}
# Web alone of what the shop needs; the others are asked for by a profile.
PUBLISHED = {"web", "load-master", "grafana"}
RUNS_ONCE = {"migrate", "tools"}
# The first ends, the others listen nowhere, and end when they cannot go on.
UNASKED = {"migrate", "tools", "beat", "load-worker"}
MAY_READ = {
    "primary": {f"{name}_password" for name in ("migrator", "app", "readonly", "replicator", "monitor", "pooler")},
    "replica": {"replicator_password"},
    "pgbouncer": {"pooler_password", "monitor_password"},
    "redis": {"redis_password"},
    "backup": {"replicator_password", "monitor_password"},
    "tools": {"monitor_password", "readonly_password"},
    "migrate": {"secret_key", "jwt_keys", "migrator_password", "redis_password"},
    **{name: {"secret_key", "jwt_keys", "app_password", "redis_password"} for name in SERVICE},
    "postgres-exporter": {"monitor_password"},
    "pgbouncer-exporter": {"monitor_password"},
    "redis-exporter": {"redis_password"},
    "grafana": {"grafana_password"},
}
STARTS_AFTER = {
    "replica": {"primary": "service_healthy"},
    "pgbouncer": {"primary": "service_healthy"},
    "migrate": {"primary": "service_healthy"},
    "postgres-exporter": {"primary": "service_healthy"},
    "pgbouncer-exporter": {"pgbouncer": "service_healthy"},
    "redis-exporter": {"redis": "service_healthy"},
    "grafana": {"prometheus": "service_healthy"},
    **{
        name: {
            "migrate": "service_completed_successfully",
            "pgbouncer": "service_healthy",
            "redis": "service_healthy",
        }
        for name in SERVICE
    },
}
KEEPS = {
    "primary": ["primary", "archive"],
    "replica": ["replica", "archive"],
    "pgbouncer": ["pooler"],
    "tools": ["pooler"],
    "backup": ["archive", "backups"],
    "prometheus": ["prometheus"],
    "grafana": ["grafana"],
}
STOPS = {
    "primary": ("SIGINT", 60),
    "replica": ("SIGINT", 60),
    "pgbouncer": ("SIGINT", 15),
    "web": (None, 30),
    "worker": (None, 60),
    "prometheus": (None, 60),
}


def compose(*arguments: str, file: Path = FILE, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run docker-compose on a file in an environment without anybody's settings; no engine is needed."""
    program = shutil.which("docker-compose", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, "docker-compose is missing: make setup"
    command = [program, "--file", str(file), "--project-directory", str(ROOT), "--env-file", os.devnull, *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HOTROW_", "COMPOSE_"))}
    return subprocess.run(command, env=env | settings, capture_output=True, text=True)


def model(file: Path = FILE, **settings: str) -> Model:
    done = compose("--profile", "*", "config", "--format", "json", file=file, **settings)
    assert done.returncode == 0, done.stderr
    found: Model = json.loads(done.stdout)
    return found


def each(given: Model) -> Iterator[tuple[str, Model]]:
    yield from given["services"].items()


def seconds(text: str) -> float:
    """A duration as compose writes it, such as 1m30s."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(count) * units[unit] for count, unit in re.findall(r"([\d.]+)([hms])", text))


def is_root(given: Model) -> list[str]:
    return [name for name, one in each(given) if re.fullmatch(r"(root|0)?(:.*)?", one.get("user", ""))]


def can_write_to_its_files(given: Model) -> list[str]:
    return [name for name, one in each(given) if one.get("read_only") is not True]


def has_capabilities(given: Model) -> list[str]:
    return [name for name, one in each(given) if one.get("cap_drop") != ["ALL"] or one.get("cap_add")]


def may_gain_privileges(given: Model) -> list[str]:
    return [
        name
        for name, one in each(given)
        if "no-new-privileges:true" not in one.get("security_opt", ()) or one.get("privileged")
    ]


def shares_the_host(given: Model) -> list[str]:
    found = [name for name, one in each(given) if any(one.get(of) == "host" for of in ("network_mode", "pid", "ipc"))]
    # Files of the host are secrets and configs alone, which are mounted read-only.
    return found + [name for name, one in each(given) if any(it["type"] != "volume" for it in one.get("volumes", ()))]


def has_no_limit(given: Model) -> list[str]:
    return [
        name
        for name, one in each(given)
        if {"cpus", "memory", "pids"} - set(one.get("deploy", {}).get("resources", {}).get("limits", {}))
    ]


def stays_down(given: Model) -> list[str]:
    wanted = {name: "no" if name in RUNS_ONCE else "unless-stopped" for name, _ in each(given)}
    return [name for name, one in each(given) if one.get("restart") != wanted[name]]


def is_not_asked(given: Model) -> list[str]:
    return [name for name, one in each(given) if name not in UNASKED and not one.get("healthcheck", {}).get("test")]


def is_published_too_widely(given: Model) -> list[str]:
    ports = [(name, port) for name, one in each(given) for port in one.get("ports", ())]
    return [name for name, port in ports if name not in PUBLISHED or port.get("host_ip") != "127.0.0.1"]


def reaches_databases_from_outside(given: Model) -> list[str]:
    closed = {name: {"back"} for name in DATABASES | RUNS_ONCE | EXPORTERS} | {"prometheus": {"back", "watch"}}
    found = [name for name, one in each(given) if set(one["networks"]) != closed.get(name, set(one["networks"]))]
    # Grafana shows what Prometheus has, and reaches nothing else.
    found += [] if "back" not in given["services"]["grafana"]["networks"] else ["grafana"]
    return found + [name for name in ("back", "watch") if not given["networks"][name].get("internal")]


def holds_a_secret(given: Model) -> list[str]:
    """A value that looks like one, or a variable that is named like one and is no file's path."""
    found = []
    for name, one in each(given):
        for key, value in (one.get("environment") or {}).items():
            is_named_so = re.search(r"PASSWORD|SECRET|JWT|TOKEN", key) and not key.endswith("_FILE")
            if is_named_so or re.search(r"://[^/@]*:[^/@]+@|password\s*=", value or ""):
                found.append(f"{name} {key}")
    return found + [
        name for name, one in given["secrets"].items() if not one.get("file", "").startswith(f"{ROOT}/secrets/")
    ]


def reads_others_secrets(given: Model) -> list[str]:
    return [
        name
        for name, one in each(given)
        if {it["source"] for it in one.get("secrets") or ()} != MAY_READ.get(name, set())
    ]


def is_not_pinned(given: Model) -> list[str]:
    return [
        name for name, one in each(given) if not re.fullmatch(r"[\w./-]+:v?\d[\w.-]*(@sha256:\w{64})?", one["image"])
    ]


def starts_too_early(given: Model) -> list[str]:
    return [
        name
        for name, wanted in STARTS_AFTER.items()
        if {of: it["condition"] for of, it in given["services"][name].get("depends_on", {}).items()} != wanted
    ]


def stops_too_hard(given: Model) -> list[str]:
    return [
        name
        for name, (signal, grace_s) in STOPS.items()
        if given["services"][name].get("stop_signal") != signal
        or seconds(given["services"][name].get("stop_grace_period", "10s")) < grace_s
    ]


def forgets_its_data(given: Model) -> list[str]:
    return [
        name
        for name, wanted in KEEPS.items()
        if [it["source"] for it in given["services"][name].get("volumes", ())] != wanted
        or set(wanted) - set(given["volumes"])
    ]


def goes_the_wrong_way(given: Model) -> list[str]:
    """Requests go through PgBouncer, migrations past it, and PgBouncer takes as many as the service believes."""
    found = []
    for name in (*SERVICE, "migrate"):
        variables = given["services"][name]["environment"]
        host = "primary" if name == "migrate" else "pgbouncer"
        for key in ("HOTROW_DATABASE_URL", "HOTROW_LANE_DATABASE_URL"):
            found += [] if f"@{host}:" in variables[key] else [f"{name} {key}"]
        if (
            variables["HOTROW_PGBOUNCER_MAX_CLIENTS"]
            != given["services"]["pgbouncer"]["environment"]["MAX_CLIENT_CONN"]
        ):
            found.append(f"{name} HOTROW_PGBOUNCER_MAX_CLIENTS")
    return found


def fills_the_disk(given: Model) -> list[str]:
    found = [name for name, one in each(given) if not one.get("logging", {}).get("options", {}).get("max-size")]
    bounds = [it for it in given["services"]["prometheus"]["command"] if ".retention." in it]
    return found + ([] if len(bounds) == 2 else ["prometheus"])


def shows_figures_to_anybody(given: Model) -> list[str]:
    variables = given["services"]["grafana"]["environment"]
    asked = {"GF_AUTH_ANONYMOUS_ENABLED": "false", "GF_USERS_ALLOW_SIGN_UP": "false"}
    return [name for name, value in asked.items() if variables.get(name) != value] + [
        name for name in ("GF_SECURITY_ADMIN_PASSWORD__FILE",) if name not in variables
    ]


def _of(service: str, **changes: object) -> Callable[[Model], None]:
    def change(given: Model) -> None:
        given["services"][service] |= changes

    return change


def _opened(given: Model) -> None:
    given["networks"]["back"]["internal"] = False


def _password_in_environment(given: Model) -> None:
    given["services"]["web"]["environment"]["HOTROW_DATABASE_URL"] = "postgresql://hotrow_app:hunter2@pgbouncer/hotrow"


def _superusers_way(given: Model) -> None:
    given["services"]["web"]["environment"]["HOTROW_DATABASE_URL"] = "postgresql://hotrow_app@primary:5432/hotrow"


# Each rule with changes that break it.
BROKEN: dict[Callable[[Model], list[str]], list[Callable[[Model], None]]] = {
    is_root: [_of("web", user="0:0"), _of("web", user="root"), _of("primary", user="")],
    can_write_to_its_files: [_of("redis", read_only=False)],
    has_capabilities: [_of("web", cap_drop=[]), _of("web", cap_add=["NET_ADMIN"])],
    may_gain_privileges: [_of("worker", security_opt=[]), _of("worker", privileged=True)],
    shares_the_host: [
        _of("web", network_mode="host"),
        _of("web", volumes=[{"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}]),
    ],
    has_no_limit: [_of("beat", deploy={}), _of("web", deploy={"resources": {"limits": {"cpus": 1, "memory": "1"}}})],
    stays_down: [_of("web", restart="no"), _of("migrate", restart="always")],
    is_not_asked: [_of("pgbouncer", healthcheck={})],
    is_published_too_widely: [
        _of("web", ports=[{"target": 8000, "published": "8000"}]),
        _of("redis", ports=[{"target": 6379, "published": "6379", "host_ip": "127.0.0.1"}]),
    ],
    reaches_databases_from_outside: [
        _opened,
        _of("primary", networks={"back": None, "front": None}),
        _of("redis-exporter", networks={"front": None}),
        _of("grafana", networks={"back": None, "front": None}),
    ],
    holds_a_secret: [_password_in_environment, _of("redis", environment={"REDIS_PASSWORD": "hunter2"})],
    reads_others_secrets: [
        _of("web", secrets=[{"source": "migrator_password"}]),
        _of("redis-exporter", secrets=[{"source": "app_password"}]),
    ],
    is_not_pinned: [_of("redis", image="redis"), _of("redis", image="redis:latest")],
    starts_too_early: [_of("web", depends_on={"migrate": {"condition": "service_started"}})],
    stops_too_hard: [_of("pgbouncer", stop_signal="SIGTERM"), _of("web", stop_grace_period="10s")],
    forgets_its_data: [_of("primary", volumes=[]), _of("pgbouncer", volumes=[])],
    goes_the_wrong_way: [_superusers_way],
    fills_the_disk: [_of("web", logging={"driver": "json-file"}), _of("prometheus", command=["--config.file=/x"])],
    shows_figures_to_anybody: [_of("grafana", environment={"GF_AUTH_ANONYMOUS_ENABLED": "true"})],
}

"""A Docker engine, and the images of the deployment in it.

An engine that answers is used. Without one, and as root, ``dockerd`` is started with a socket and data of its
own, and ended with all that it holds. Where the published base images cannot be pulled, all of them are replaced
by one root file system that mmdebstrap makes of Debian's packages.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.unit.compose_rules import ROOT, Model

STARTS_WITHIN_S = 30
# Whose packages replace the published images. bookworm has PgBouncer 1.18; sid has the versions that those images have,
# PostgreSQL 18 and a PgBouncer that keeps prepared statements, and changes every day.
SUITE = os.environ.get("HOTROW_COMPOSE_SUITE", "bookworm")
POSTGRES_MAJOR, LEAST_PGBOUNCER = {"bookworm": ("15", "1.18.0"), "sid": ("18", "1.25.2")}[SUITE]
DEBIAN_BASE = f"hotrow-test-base:{SUITE}"
MONITORING_IMAGE = "hotrow-test-monitoring:0-test"
_PACKAGES = (
    "ca-certificates,python3,python3-venv,postgresql,pgbouncer,redis-server,wget,prometheus,prometheus-postgres-exporter"
    ",prometheus-redis-exporter,python3-psycopg2,python3-yaml,python3-prometheus-client,python3-pythonjsonlogger"
)
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@contextlib.contextmanager
def engine() -> Iterator[dict[str, str]]:
    """The environment in which ``docker`` and ``docker-compose`` reach an engine."""
    if answers({}):
        yield {}
        return
    if os.geteuid() != 0:
        missing("a Docker engine, or root to start one,")
    if not shutil.which("dockerd"):
        missing("dockerd (package docker.io)")
    if (refusal := kernel_refusal()) is not None:
        pytest.skip(f"NOT TESTED: this kernel forbids containers: {refusal}")
    directory = Path("/var/tmp") / f"hotrow-docker-{os.getpid()}"
    directory.mkdir()
    env = {"DOCKER_HOST": f"unix://{directory}/docker.sock"}
    options = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    command = ["dockerd", "--host", env["DOCKER_HOST"], "--oom-score-adjust", "0"]
    command += [f"--{name}={directory / path}" for name, path in options.items()]
    rules = subprocess.run(["iptables-save"], capture_output=True, check=True).stdout
    had_bridge = Path("/sys/class/net/docker0").exists()
    with (directory / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(lambda: answers(env) or daemon.poll() is not None, STARTS_WITHIN_S)
            assert answers(env), (directory / "log").read_text()[-2000:]
            yield env
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)
            # What it leaves behind: rules, a bridge, and its name of the machine's own network.
            subprocess.run(["iptables-restore"], input=rules, check=True)
            if not had_bridge:
                subprocess.run(["ip", "link", "delete", "docker0"], check=False)
            subprocess.run(["umount", directory / "exec/netns/default"], check=False, capture_output=True)
            shutil.rmtree(directory)


def kernel_refusal() -> str | None:
    """What the kernel says to root who asks for a container's namespaces and a mount; nothing if it grants them."""
    asked = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip()


def answers(env: dict[str, str]) -> bool:
    return docker(env, "version", is_checked=False).returncode == 0


def docker(env: dict[str, str], *arguments: str, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], env=os.environ | env, capture_output=True, text=True)
    assert not is_checked or done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done


def build(env: dict[str, str], model: Model) -> bool:
    """Build each image of the model; return whether they stand on Debian's packages instead of the published bases."""
    is_debian = docker(env, "pull", model["services"]["redis"]["image"], is_checked=False).returncode != 0
    if is_debian and docker(env, "image", "inspect", DEBIAN_BASE, is_checked=False).returncode != 0:
        _make_debian_base(env)
    if is_debian:
        file = str(ROOT / "tests/compose/monitoring.Dockerfile")
        base = f"--build-arg=BASE_IMAGE={DEBIAN_BASE}"
        docker(env, "build", "--network=host", base, f"--tag={MONITORING_IMAGE}", f"--file={file}", str(ROOT))
    for service in model["services"].values():
        if (plan := service.get("build")) is not None:
            replaced = {"BASE_IMAGE": DEBIAN_BASE, "POSTGRES_MAJOR": POSTGRES_MAJOR} if is_debian else {}
            arguments = [f"--build-arg={name}={value}" for name, value in replaced.items()]
            arguments += [f"--target={plan['target']}"] if "target" in plan else []
            # Names are looked up as on this machine.
            docker(
                env, "build", "--network=host", *arguments, f"--tag={service['image']}",
                f"--file={ROOT / plan['dockerfile']}", str(ROOT),
            )  # fmt: skip
    return is_debian


def _make_debian_base(env: dict[str, str]) -> None:
    assert shutil.which("mmdebstrap"), "no image can be pulled, and mmdebstrap is missing: install that package"
    # Last: whom this machine trusts.
    make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}"]
    if SUITE == "sid":
        # Its lists are good for a week; a mirror that lags behind is good enough for a test.
        make += ["--aptopt=Acquire::Check-Valid-Until false"]
    make += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    make += [f"--customize-hook=copy-in {_CERTIFICATES} {Path(_CERTIFICATES).parent}", SUITE, "-"]
    take = ["docker", "import", f"--change=ENV PIP_CERT={_CERTIFICATES}", "-", DEBIAN_BASE]
    with subprocess.Popen(make, stdout=subprocess.PIPE) as making:
        subprocess.run(take, env=os.environ | env, stdin=making.stdout, check=True, capture_output=True)
    assert making.returncode == 0


def wait_for(holds: Callable[[], object], deadline_s: float) -> None:
    """Wait until the call answers something true, or the time is over."""
    deadline = time.monotonic() + deadline_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.3)

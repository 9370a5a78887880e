"""Install the servers that no Python package brings, where this user may."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuning.stack import binaries


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, the program that shows it is there, and what is lost without it."""

    name: str
    program: str
    without: str


PGBOUNCER = Package("pgbouncer", "pgbouncer", "the service pools its own connections")
REDIS = Package("redis-server", "redis-server", "each worker caches in its own memory")
POSTGRES = Package("postgresql", "pg_ctlcluster", "the tests run on the embedded PostgreSQL alone")
CHROMIUM = Package("chromium", "chromium", "no test looks at the API's page in a browser")
PROMTOOL = Package("prometheus", "promtool", "no test checks the alert rules")

WRK = Package("wrk", "wrk", "`hotrow bench http` cannot measure")
DOCKER = Package("docker.io", "dockerd", "`make compose-test` needs an engine that is there already")
MMDEBSTRAP = Package("mmdebstrap", "mmdebstrap", "`make compose-test` needs the published images")

FOR_STACK = (PGBOUNCER, REDIS)
FOR_TESTS = (*FOR_STACK, POSTGRES, CHROMIUM, PROMTOOL)
FOR_BENCH = (*FOR_STACK, WRK)
FOR_COMPOSE = (DOCKER, MMDEBSTRAP)

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
_EXTENSIONS = Path("/usr/share/postgresql")
# Asked by Debian's packages before they start a server; 101 forbids it (invoke-rc.d(8)).
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\nexit 101\n"


def hypopg() -> tuple[Package, ...]:
    """HypoPG for the PostgreSQL that Debian installed: its name has the version, so it is asked for afterwards."""
    majors = [int(path.parts[-3]) for path in DEBIAN_POSTGRES.glob("*/bin/postgres")]
    name = f"postgresql-{max(majors)}-hypopg" if majors else ""
    return (Package(name, "hypopg", "no test asks HypoPG"),) if name else ()


def install(packages: tuple[Package, ...], say: Callable[[str], None]) -> list[str]:
    """Install what is missing, without starting it, and return a sentence for what stays missing."""
    missing = [package for package in packages if not _is_there(package)]
    if not missing:
        return []
    names = ", ".join(package.name for package in missing)
    prefix = _root_prefix()
    if shutil.which("apt-get") is None or prefix is None:
        reason = "apt-get is not here" if shutil.which("apt-get") is None else "this needs root or passwordless sudo"
        return [f"Not installed: {package.name} ({reason}); without it {package.without}." for package in missing]
    say(f"Installing {names}")
    error = _apt(prefix, [package.name for package in missing])
    return [
        f"Could not install {package.name}: {error or 'apt-get did not say why'}; without it {package.without}."
        for package in missing
        if not _is_there(package)
    ]


def _is_there(package: Package) -> bool:
    if package is POSTGRES:
        return any(DEBIAN_POSTGRES.glob("*/bin/postgres"))
    if package.program == "hypopg":
        return any(_EXTENSIONS.glob("*/extension/hypopg.control"))
    if package in (WRK, CHROMIUM, PROMTOOL, DOCKER, MMDEBSTRAP):  # their version does not matter, and wrk tells none
        return shutil.which(package.program) is not None
    return binaries.find(package.program) is not None


def _root_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _apt(prefix: list[str], names: list[str]) -> str:
    """Run apt-get with servers kept from starting; return why it failed, or nothing."""
    has_policy = _POLICY.exists()
    if not has_policy:
        _as_root(prefix, ["tee", str(_POLICY)], _POLICY_TEXT)
        _as_root(prefix, ["chmod", "755", str(_POLICY)])
    try:
        command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
        subprocess.run([*command, "update"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        done = subprocess.run(
            [*command, "install", "--no-install-recommends", *names],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [""])[-1]
    finally:
        if not has_policy:
            _as_root(prefix, ["rm", "-f", str(_POLICY)])


def _as_root(prefix: list[str], command: list[str], text: str | None = None) -> None:
    subprocess.run([*prefix, *command], input=text, text=True, capture_output=True, check=True)

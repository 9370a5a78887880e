"""One running stack for the whole session, and what tests need around it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tuning.stack import binaries
from tuning.stack.accounts import server_account
from tuning.stack.packages import DEBIAN_POSTGRES
from tuning.stack.paths import state_root
from tuning.stack.profiles import KIT, LANE_POOL_SIZE, Profile
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

INSTANCE = "tests"
# What is dear to build is kept here from run to run; all else lives in a directory of the run's own.
STATE_ROOT = state_root()


def must_have_everything() -> bool:
    """In CI a part that is missing is a failure, never a skip."""
    return os.environ.get("HOTROW_REQUIRE_ALL") == "1"


def missing(what: str) -> None:
    """Skip on a developer's machine, fail in CI."""
    if must_have_everything():
        pytest.fail(f"{what} is missing, and HOTROW_REQUIRE_ALL=1 forbids to go on without it")
    pytest.skip(f"{what} is not installed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder of a test is its marker."""
    for item in items:
        folder = Path(str(item.fspath)).relative_to(Path(__file__).parent).parts[0]
        item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session", autouse=True)
def state_directory() -> Iterator[Path]:
    """A state directory of this run's own, which the servers' user can pass through."""
    directory = Path(tempfile.mkdtemp(prefix="hotrow-tests-", dir="/var/tmp"))
    directory.chmod(0o711)
    os.environ["HOTROW_STATE_DIR"] = str(directory)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def profile() -> Profile:
    """The kit's, with as many servers behind PgBouncer as ``HOTROW_TEST_POOL_SIZE`` says.

    Tests change tables by SQL and ask the service what it sees: it reads on the primary, except in test_replica.py.
    """
    primary = replace(KIT, has_replica_reads=False)
    size = os.environ.get("HOTROW_TEST_POOL_SIZE")
    return replace(primary, pool_size=int(size), lane_pool_size=min(int(size), LANE_POOL_SIZE)) if size else primary


@pytest.fixture(scope="session")
def stack(state_directory: Path) -> Iterator[Stack]:
    """The kit's configuration, every part of it running."""
    for program in ("pgbouncer", "redis-server"):
        if binaries.find(program) is None:
            missing(program)
    with running(INSTANCE, profile(), is_fresh=True) as started:
        yield started


def debian_postgres() -> Path | None:
    """The bin directory of the newest PostgreSQL that Debian installed."""
    found = sorted(DEBIAN_POSTGRES.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@pytest.fixture(scope="session", params=["embedded", "debian"])
def any_postgres(request: pytest.FixtureRequest, state_directory: Path) -> binaries.PostgresBinaries:
    """The binaries of the embedded PostgreSQL, then those of Debian's."""
    directory = None
    if request.param == "debian":
        directory = debian_postgres()
        if directory is None:
            missing("Debian's PostgreSQL")
    return binaries.postgres(directory, server_account())

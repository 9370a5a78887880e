"""Fixtures: instances of the stack that a test drives through the command line, and that end with it.

A test module takes them with ``pytest_plugins = ["tests.e2e.instances"]``.
"""

import contextlib
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.conftest import missing
from tests.e2e.processes import Hotrow, Mounted
from tuning.stack import binaries

Make = Callable[..., Hotrow]


class _Kept(NamedTuple):
    instance: Hotrow
    failures: int


_kept: list[_Kept] = []


@pytest.fixture(scope="session")
def make_session_hotrow(state_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A maker of instances that are ended with the session."""
    with _maker(state_directory, tmp_path_factory) as make:
        yield make


@pytest.fixture
def make_hotrow(
    state_directory: Path, tmp_path_factory: pytest.TempPathFactory, small_disk: Callable[[int], Mounted]
) -> Iterator[Make]:
    """A maker of instances that are ended with the test, before their disk goes."""
    with _maker(state_directory, tmp_path_factory) as make:
        yield make


@pytest.fixture
def hotrow(make_hotrow: Make) -> Hotrow:
    """An instance of which nothing exists yet."""
    return make_hotrow()


@pytest.fixture(scope="session")
def template(make_session_hotrow: Make) -> Hotrow:
    """An instance that was started, given the table ``kept`` of one row, and ended."""
    made = make_session_hotrow("e2e-template")
    made.up()
    with psycopg.connect(made.address("primary")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        connection.execute("GRANT SELECT ON kept TO PUBLIC")
    assert made.run("down").code == 0
    return made


@pytest.fixture
def copied(hotrow: Hotrow, template: Hotrow) -> Hotrow:
    """An instance that does not run, with the data of an earlier start; a test may do with it as it likes."""
    subprocess.run(["cp", "-a", template.root, hotrow.root], check=True)
    return hotrow


@pytest.fixture
def kept(make_session_hotrow: Make, template: Hotrow, request: pytest.FixtureRequest) -> Iterator[Hotrow]:
    """The same, to start and to end in any way, and to leave the files alone: it is used again.

    Every end of it must be one that ``hotrow up`` copes with. After a test that failed it is made anew.
    """
    if _kept and _kept[0].failures == request.session.testsfailed:
        instance = _kept[0].instance
    else:
        instance = make_session_hotrow()
        subprocess.run(["cp", "-a", template.root, instance.root], check=True)
    _kept[:] = [_Kept(instance, request.session.testsfailed)]
    assert instance.running() == set()
    yield instance
    instance.stop()


@pytest.fixture
def small_disk(state_directory: Path) -> Iterator[Callable[[int], Mounted]]:
    """A maker of file systems of so many MiB, which a test may shrink."""
    mounted: list[Mounted] = []

    def make(size_mib: int) -> Mounted:
        directory = state_directory / f"disk-{uuid.uuid4().hex[:8]}"
        directory.mkdir(mode=0o711)
        disk = Mounted(directory)
        if os.geteuid() != 0 or not disk.mount(size_mib):
            missing("the right to mount a small file system")
        mounted.append(disk)
        return disk

    yield make
    for each in mounted:
        each.unmount()
        each.directory.rmdir()


@contextlib.contextmanager
def _maker(state: Path, scratch: pytest.TempPathFactory) -> Iterator[Make]:
    for program in ("pgbouncer", "redis-server"):
        if binaries.find(program) is None:
            missing(program)
    made: list[Hotrow] = []

    def make(instance: str = "", **options: object) -> Hotrow:
        given = {"state": state, "scratch": scratch.mktemp("scratch"), **options}
        made.append(Hotrow(instance=instance or f"e2e-{uuid.uuid4().hex[:8]}", **given))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.end()

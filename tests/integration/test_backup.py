"""Archive, base backup and the check of both: each fault is found and named, and the mended twin passes."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.backups import Vault, vault
from tests.integration.replicas import PATIENCE_S, eventually
from tests.integration.shop import Shop, call

SEGMENT = 16 * 1024 * 1024
NAME = "000000010000000000000007"


@pytest.fixture(scope="module")
def kept(state_directory: Path) -> Iterator[Vault]:
    with vault(state_directory / "vault") as made:
        reserve(made)
        taken = made.run("backup.sh", "take")
        assert taken.returncode == 0, taken.stderr
        for _ in range(3):
            reserve(made)
            switch(made)
        yield made


def reserve(kept: Vault) -> None:
    assert kept.stack is not None
    with psycopg.connect(kept.stack.direct, autocommit=True) as connection:
        product = Shop(connection).product(5)
        call(connection, [product], [2])


def switch(kept: Vault) -> str:
    """Begin the next segment, and wait until the last one is in the archive."""
    # A switch without anything since the last one does nothing.
    kept.execute("SELECT pg_logical_emit_message(true, 'test', 'more')")
    name = str(kept.execute("SELECT pg_walfile_name(pg_current_wal_lsn())"))
    kept.execute("SELECT pg_switch_wal()")
    eventually((kept.archive / name).exists, PATIENCE_S, f"{name} is archived")
    return name


def check(kept: Vault, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    done = kept.run("backup.sh", "check", *arguments, **changes)
    # Whatever it found, nothing of the scratch server is left.
    assert not (kept.backups / ".check").exists()
    return done


def base(kept: Vault) -> Path:
    return max(kept.backups.glob("[0-9]*Z"))


def assert_passes(kept: Vault, *arguments: str, **changes: str) -> str:
    done = check(kept, *arguments, **changes)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Restored .* up to the commit of \S+ \S+; every invariant holds\.$", done.stdout, re.MULTILINE)
    return done.stdout


def assert_refuses(kept: Vault, says: str, *arguments: str, **changes: str) -> None:
    done = check(kept, *arguments, **changes)
    assert done.returncode == 1, done.stdout
    assert re.search(says, done.stderr), done.stderr
    assert "Restored" not in done.stdout


def test_check_says_up_to_which_commit_it_came(kept: Vault) -> None:
    reserve(kept)
    switch(kept)
    before = str(kept.execute("SELECT now()"))
    out = assert_passes(kept)
    last = re.search(r"commit of (\S+ \S+);", out)
    assert last is not None
    # Nothing was committed between the last reservation and this moment, and everything before is there.
    assert last[1][:19] <= before[:19]
    assert re.search(r"^\d+ bytes of the server's log are not archived yet", out, re.MULTILINE)


def test_time_decides_what_is_restored(kept: Vault) -> None:
    reserve(kept)
    then = str(kept.execute("SELECT clock_timestamp()"))
    reserve(kept)
    switch(kept)
    early = re.search(r"commit of (\S+ \S+);", assert_passes(kept, then))
    late = re.search(r"commit of (\S+ \S+);", assert_passes(kept))
    assert early is not None
    assert late is not None
    assert early[1] <= then < late[1]
    assert_refuses(kept, "recovery ended before configured recovery target was reached", "2099-01-01 00:00:00+00")


def test_damaged_backup_is_found(kept: Vault) -> None:
    file = next(path for path in (base(kept) / "base").rglob("*") if path.is_file() and path.stat().st_size > 8192)
    whole = file.read_bytes()
    file.write_bytes(whole[:5000] + b"x" + whole[5001:])
    try:
        assert_refuses(kept, f"is damaged: .*{file.name}")
    finally:
        file.write_bytes(whole)
    assert_passes(kept)


def test_missing_segment_is_named(kept: Vault) -> None:
    names = [switch(kept)]
    for _ in range(2):
        reserve(kept)
        names.append(switch(kept))
    (kept.archive / names[1]).rename(kept.archive / "away")
    try:
        assert_refuses(kept, f"the archive lacks the segment before {names[2]}")
    finally:
        (kept.archive / "away").rename(kept.archive / names[1])
    assert_passes(kept)


def test_archive_that_is_stalled_is_found(kept: Vault) -> None:
    failed = "SELECT last_failed_time > last_archived_time FROM pg_stat_archiver"
    kept.execute("ALTER SYSTEM SET archive_command = 'false'")
    kept.execute("SELECT pg_reload_conf()")
    try:
        kept.execute("SELECT pg_logical_emit_message(true, 'test', 'more')")
        kept.execute("SELECT pg_switch_wal()")
        eventually(lambda: kept.execute(failed) is True, PATIENCE_S, "archiving fails")
        assert_refuses(kept, r"the archive is stalled at [0-9A-F]{24}, after [0-9A-F]{24}")
    finally:
        kept.execute("ALTER SYSTEM RESET archive_command")
        kept.execute("SELECT pg_reload_conf()")
    # A new segment wakes the archiver, which else tries again once a minute.
    switch(kept)
    assert kept.execute(failed) is False
    assert_passes(kept)


def test_stock_that_is_wrong_is_found(kept: Vault) -> None:
    """The bytes are whole, and what they say is not."""
    drift = "SET session_replication_role = replica; UPDATE product_stock SET sold = sold {} 1 WHERE id = {}"
    stock = kept.execute("SELECT min(id) FROM product_stock")
    kept.execute(drift.format("+", stock))
    switch(kept)
    try:
        assert_refuses(kept, f"its stock is wrong: stock {stock}: counters")
    finally:
        kept.execute(drift.format("-", stock))
        switch(kept)
    assert_passes(kept)


def test_restored_directory_stays(kept: Vault) -> None:
    target = kept.root / "restored"
    done = kept.run("backup.sh", "restore", str(target))
    assert done.returncode == 0, done.stderr
    assert (target / "recovery.signal").exists()
    again = kept.run("backup.sh", "restore", str(target))
    assert (again.returncode, "name a directory that is not" in again.stderr) == (1, True)
    shutil.rmtree(target)


def test_old_backups_go_with_their_segments(kept: Vault) -> None:
    first = min(path.name for path in kept.archive.iterdir() if re.fullmatch("[0-9A-F]{24}", path.name))
    names = {path.name for path in kept.backups.glob("[0-9]*Z")}
    eventually(lambda: _now(kept) not in names, PATIENCE_S, "another second has begun")
    taken = kept.run("backup.sh", "take", KEEP="1")
    assert taken.returncode == 0, taken.stderr
    assert len(list(kept.backups.glob("[0-9]*Z"))) == 1
    assert base(kept).name not in names
    assert not (kept.archive / first).exists()
    switch(kept)
    assert_passes(kept)


def _now(kept: Vault) -> str:
    return str(kept.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"')"))


@pytest.mark.parametrize(
    ("arguments", "says"), [([], "say take, check, restore or schedule"), (["restore"], "say where to")]
)
def test_backup_says_what_it_needs(kept: Vault, arguments: list[str], says: str) -> None:
    done = kept.run("backup.sh", *arguments)
    assert (done.returncode, says in done.stderr) == (1, True)


def test_check_without_a_backup_says_so(kept: Vault) -> None:
    empty = kept.root / "empty"
    kept.account.own(empty)
    done = kept.run("backup.sh", "check", BACKUPS=str(empty))
    assert (done.returncode, "holds no backup: take one first" in done.stderr) == (1, True)


@pytest.fixture
def place(state_directory: Path, request: pytest.FixtureRequest) -> Iterator[Vault]:
    """An archive without a server."""
    root = state_directory / f"place-{request.node.name[:20].replace('[', '-')}"
    yield Vault(root)
    shutil.rmtree(root)


def segment(place: Vault, seed: int) -> Path:
    file = place.root / f"segment-{seed}"
    file.write_bytes(bytes([seed]) * SEGMENT)
    file.chmod(0o644)
    return file


def test_archive_keeps_a_segment_once(place: Vault) -> None:
    one, other = segment(place, 1), segment(place, 2)
    for _ in range(2):
        assert place.run("archive.sh", str(one), NAME).returncode == 0
    assert (place.archive / NAME).read_bytes() == one.read_bytes()
    refused = place.run("archive.sh", str(other), NAME)
    assert refused.returncode == 1
    assert "holds another segment of that name" in refused.stderr
    assert (place.archive / NAME).read_bytes() == one.read_bytes()
    assert [path.name for path in place.archive.iterdir()] == [NAME]


def test_archiver_that_is_killed_leaves_no_half_segment(place: Vault) -> None:
    """Killed while it copies: a pipe in the segment's place holds it there."""
    pipe = place.root / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    process = place.start("archive.sh", str(pipe), NAME)
    with pipe.open("wb") as source:
        source.write(b"\1" * 65536)
        source.flush()
        staging = place.archive / f".{NAME}.new"
        eventually(lambda: staging.exists() and staging.stat().st_size > 0, PATIENCE_S, "it copies")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert staging.stat().st_size > 0
    assert not (place.archive / NAME).exists()
    whole = segment(place, 1)
    assert place.run("archive.sh", str(whole), NAME).returncode == 0
    assert (place.archive / NAME).read_bytes() == whole.read_bytes()
    assert [path.name for path in place.archive.iterdir()] == [NAME]

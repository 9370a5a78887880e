"""One instance, several processes that ask for it at a time."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from tuning.stack import record
from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths


def test_exclusive_is_given_when_another_only_looks(tmp_path: Path) -> None:
    """``hotrow status`` takes the lock for a moment; ``hotrow up`` at that moment does not fail."""
    paths = InstancePaths(tmp_path / "looked-at")
    with record.exclusive(paths):
        pass
    looking = os.open(paths.lock, os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_SH)
    moment = threading.Timer(0.05, os.close, [looking])
    moment.start()
    try:
        with record.exclusive(paths):
            assert record.is_held(paths)
    finally:
        moment.join()


def test_exclusive_is_refused_while_another_has_it(tmp_path: Path) -> None:
    paths = InstancePaths(tmp_path / "held")
    with record.exclusive(paths):
        assert record.is_held(paths)
        with pytest.raises(StackError, match="held is running already"), record.exclusive(paths):
            pass
    assert not record.is_held(paths)

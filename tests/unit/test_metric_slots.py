"""Slots: a worker takes the place of another, and what was counted stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.metrics import slots

COUNT = """
from service.metrics.instruments import RESERVATIONS, WORKERS
RESERVATIONS.labels("reserved").inc({count})
WORKERS.set(1)
"""
SHOW = "from service.metrics.exposition import exposition; print(exposition(list).decode())"


def python(directory: Path, slot: int, code: str) -> str:
    env = os.environ | {slots.DIRECTORY: str(directory), slots.SLOT: str(slot)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return done.stdout


def test_smallest_free_slot_is_taken() -> None:
    assert [slots.free_slot(taken) for taken in ([], [0], [1], [0, 2], [2, 1, 0])] == [0, 1, 0, 1, 3]


def test_replaced_worker_leaves_its_counts_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for slot, count in ((0, 2), (1, 5)):
        python(tmp_path, slot, COUNT.format(count=count))
    shown = python(tmp_path, 0, SHOW)
    assert 'hotrow_reservations_total{outcome="reserved"} 7.0' in shown
    assert "hotrow_workers 2.0" in shown
    files = sorted(tmp_path.iterdir())
    monkeypatch.setenv(slots.DIRECTORY, str(tmp_path))
    slots.forget(1)
    # The control: before its slot was forgotten, the dead worker counted as one that lives.
    assert "hotrow_workers 1.0" in python(tmp_path, 0, SHOW)
    python(tmp_path, 1, COUNT.format(count=3))
    shown = python(tmp_path, 0, SHOW)
    assert 'hotrow_reservations_total{outcome="reserved"} 10.0' in shown
    assert "hotrow_workers 2.0" in shown
    assert sorted(tmp_path.iterdir()) == files


def test_directory_is_private_and_goes_with_the_master() -> None:
    slots.make_directory()
    made = Path(os.environ[slots.DIRECTORY])
    assert made.stat().st_mode & 0o777 == 0o700
    slots.remove_directory()
    assert not made.exists()
    assert slots.DIRECTORY not in os.environ

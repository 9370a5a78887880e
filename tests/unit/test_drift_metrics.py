"""The file that tells Prometheus of drift: as prometheus-client reads it, and whole or not at all."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tuning.migrations.drift import Finding, Outcome
from tuning.migrations.drift_metrics import exposition, write

FOUND = [Finding(Outcome.SAME, "a"), Finding(Outcome.SAME, "b"), Finding(Outcome.DIFFERS, "c")]


def samples(text: str) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(text)
    return {(it.name, it.labels.get("outcome", "")): it.value for family in families for it in family.samples}


def test_each_outcome_is_counted() -> None:
    found = samples(exposition(FOUND, 1700000000.4))
    name = "hotrow_drift_objects"
    assert {outcome for of, outcome in found if of == name} == {str(outcome) for outcome in Outcome}
    assert (found[name, "same"], found[name, "differs"], found[name, "missing"]) == (2, 1, 0)
    assert found["hotrow_drift_checked_timestamp_seconds", ""] == 1700000000


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "hotrow.prom"
    path.write_text("before")
    write(path, FOUND, 1.0)
    assert samples(path.read_text())["hotrow_drift_objects", "differs"] == 1
    assert path.stat().st_mode & 0o777 == 0o644
    assert [it.name for it in tmp_path.iterdir()] == ["hotrow.prom"]


def test_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "hotrow.prom", FOUND, 1.0)

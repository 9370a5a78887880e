"""Tell Prometheus what a comparison found, by a file that node_exporter's textfile collector reads.

A comparison makes temporary objects and reads the files of a release: a job asks for it once a day, not a scrape.
"""

import os
from collections import Counter
from pathlib import Path

from tuning.migrations.drift import Finding, Outcome

# As node_exporter wants it: readable by a user that is not this one.
_MODE = 0o644


def exposition(findings: list[Finding], checked_at_s: float) -> str:
    """The findings in Prometheus' text form: each outcome, those that did not occur as 0.

    Args:
        checked_at_s: When they were found, in seconds since 1970.
    """
    counts = Counter(finding.outcome for finding in findings)
    lines = [
        "# HELP hotrow_drift_objects Functions and indexes by how the server compares with the files.",
        "# TYPE hotrow_drift_objects gauge",
        *(f'hotrow_drift_objects{{outcome="{outcome}"}} {counts[outcome]}' for outcome in Outcome),
        "# HELP hotrow_drift_checked_timestamp_seconds When they were compared.",
        "# TYPE hotrow_drift_checked_timestamp_seconds gauge",
        f"hotrow_drift_checked_timestamp_seconds {checked_at_s:.0f}",
    ]
    return "\n".join(lines) + "\n"


def write(path: Path, findings: list[Finding], checked_at_s: float) -> None:
    """Put the exposition in the place of the file, whole: a scrape reads the old one or the new one.

    Raises:
        OSError: The file or its directory cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(exposition(findings, checked_at_s))
        partial.chmod(_MODE)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

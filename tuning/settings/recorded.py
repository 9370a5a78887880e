"""What the server counted while a timeline was written."""

from tuning import timeline as forms
from tuning.diagnose.evidence.counters import growth, mean
from tuning.observe.server_figures import Counters, Wal
from tuning.settings.facts import Recorded
from tuning.timeline import Timeline


def reduce(timeline: Timeline) -> Recorded:
    """Take the growth of the server's counters; parts that were not sampled twice are None."""
    samples = timeline.of(forms.DATABASE)
    activity = timeline.of(forms.ACTIVITY)
    active = mean(sum(row.get("state") == "active" for row in each.data["sessions"]) for each in activity)
    seconds = samples[-1].t - samples[0].t if samples else 0.0
    if len(samples) < 2 or seconds <= 0:
        return Recorded(timeline.seconds, active=active if activity else None)
    totals = [sample.data["totals"] for sample in samples]

    def grown(name: str) -> float | None:
        return growth([float(each[name]) for each in totals]) if all(name in each for each in totals) else None

    commits = (grown("xact_commit") or 0.0) + (grown("xact_rollback") or 0.0)
    counters = Counters(
        seconds=seconds,
        commits=commits,
        temp_files=grown("temp_files") or 0.0,
        temp_bytes=grown("temp_bytes") or 0.0,
        blocks_hit=grown("blks_hit") or 0.0,
        blocks_read=grown("blks_read") or 0.0,
        deadlocks=grown("deadlocks") or 0.0,
        workers_wanted=grown("parallel_workers_to_launch"),
        workers_launched=grown("parallel_workers_launched"),
    )
    written = grown("wal_bytes")
    wal = (
        None
        if written is None
        else Wal(seconds, written, flushes=grown("wal_syncs"), flush_ms=grown("wal_sync_ms"), commits=commits)
    )
    return Recorded(seconds, counters, wal, active if activity else None)

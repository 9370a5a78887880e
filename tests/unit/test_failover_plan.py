"""What a failover decides: each refusal with the state beside it that is taken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tuning.failover.facts import Address, Facts, PooledDatabase, Primary, Replica
from tuning.failover.plan import ALIVE_WITHIN_S, MAX_LAG_BYTES, Loss, Refused, Step, decide
from tuning.failover.pooler import repointed

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
OLD, NEW = Address("primary", "5432"), Address("replica", "5432")
REPLICA = Replica(True, 7, None, 1000, 900, NOW - timedelta(seconds=4), timedelta(seconds=1), NOW, may_promote=True)
PROMOTED = replace(REPLICA, is_in_recovery=False, timeline=2, received=None, replayed=None, heard=None)
PRIMARY = Primary(False, 7, 1, 1100, 50)
LIVES = Facts(REPLICA, NEW, (PooledDatabase("hotrow", "hotrow", OLD, is_paused=False),), PRIMARY)
DEAD = replace(LIVES, primary=None, silence="connection refused", replica=replace(REPLICA, heard=None))
RESTS = (Step.CUT, Step.REPOINT, Step.RESUME, Step.WRITE)


def test_switchover_states_the_lag_and_loses_nothing() -> None:
    plan = decide(LIVES, is_switchover=True)
    assert plan.steps == (Step.HOLD, Step.CATCH_UP, Step.PROMOTE, Step.REPOINT, Step.RESUME, Step.WRITE)
    assert (plan.lag_bytes, plan.lag_s, str(plan.loss)) == (200, 1.0, "nothing is lost")


def test_failover_states_from_when_on_commits_may_be_lost() -> None:
    plan = decide(DEAD, is_switchover=False)
    assert plan.steps == (Step.CUT, Step.PROMOTE, Step.REPOINT, Step.RESUME, Step.WRITE)
    assert plan.loss == Loss(None, NOW - timedelta(seconds=4), 4.0)
    assert "2026-11-23T11:59:56+00:00 may be lost, at most the last 4.0 s" in str(plan.loss)
    assert plan.lag_bytes == 100
    unknown = decide(replace(DEAD, replica=replace(DEAD.replica, last_commit_at=None)), is_switchover=False)
    assert "no transaction was replayed" in str(unknown.loss)


@pytest.mark.parametrize(
    ("facts", "is_switchover", "says"),
    [
        (LIVES, False, "still answers"),
        (DEAD, True, "cannot be waited for"),
        (replace(DEAD, alive=True), False, "lets nobody in"),
        (replace(DEAD, alive=True), True, "lets nobody in"),
        (
            replace(DEAD, replica=replace(REPLICA, heard=timedelta(seconds=ALIVE_WITHIN_S - 1))),
            False,
            "heard from its primary 34.0 s ago",
        ),
        (replace(LIVES, replica=replace(REPLICA, may_promote=False)), True, "may not promote"),
        (replace(LIVES, replica=replace(REPLICA, heard=None)), True, "does not stream"),
        (replace(LIVES, primary=replace(PRIMARY, system=8)), True, "no replica of primary:5432"),
        (replace(LIVES, primary=replace(PRIMARY, is_in_recovery=True, flushed=None)), True, "a replica too"),
        (replace(LIVES, primary=replace(PRIMARY, flushed=901 + MAX_LAG_BYTES)), True, "let it catch up"),
        (replace(LIVES, databases=()), True, "is a replica"),
        (replace(LIVES, replica=replace(PROMOTED, timeline=1)), True, "was never promoted"),
        (replace(DEAD, replica=replace(PROMOTED, timeline=1)), False, "was never promoted"),
        (replace(LIVES, replica=PROMOTED, primary=replace(PRIMARY, timeline=2)), True, "was never promoted"),
        (replace(LIVES, replica=PROMOTED, primary=replace(PRIMARY, system=8)), True, "was no replica"),
        (replace(DEAD, replica=PROMOTED, alive=True), False, "lets nobody in"),
    ],
)
def test_what_would_harm_is_refused(facts: Facts, is_switchover: bool, says: str) -> None:
    with pytest.raises(Refused, match=says):
        decide(facts, is_switchover=is_switchover)


def test_primary_that_was_heard_long_ago_is_dead() -> None:
    facts = replace(DEAD, replica=replace(REPLICA, heard=timedelta(seconds=ALIVE_WITHIN_S + 1)))
    assert Step.CUT in decide(facts, is_switchover=False).steps


@pytest.mark.parametrize("facts", [replace(LIVES, replica=PROMOTED), replace(DEAD, replica=PROMOTED)])
def test_promotion_that_was_done_is_not_done_again(facts: Facts) -> None:
    assert decide(facts, is_switchover=False).steps == RESTS


@pytest.mark.parametrize(("is_paused", "steps"), [(True, (Step.RESUME, Step.WRITE)), (False, ())])
def test_nothing_is_left_once_pgbouncer_goes_there(is_paused: bool, steps: tuple[Step, ...]) -> None:
    there = (PooledDatabase("hotrow", "hotrow", NEW, is_paused),)
    assert decide(replace(LIVES, replica=PROMOTED, databases=there), is_switchover=True).steps == steps


INI = """\
[databases]
hotrow = host=primary port=5432 dbname=hotrow pool_size=8
hotrow_lane = host=primary port=5432 dbname=hotrow pool_size=2
other = host=elsewhere port=5433 dbname=other

[pgbouncer]
listen_port = 6432
"""


def test_file_is_changed_where_it_must_be_and_nowhere_else() -> None:
    changed = repointed(INI, ["hotrow", "hotrow_lane"], Address("10.0.0.2", "5440"))
    assert changed == INI.replace("host=primary port=5432", "host=10.0.0.2 port=5440")
    assert repointed(changed, ["hotrow", "hotrow_lane"], Address("10.0.0.2", "5440")) == changed


@pytest.mark.parametrize("text", ["", INI.replace("hotrow_lane", "hotrow_line"), INI.replace("port=5432 ", "")])
def test_file_of_another_pgbouncer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--config names another file"):
        repointed(text, ["hotrow", "hotrow_lane"], NEW)

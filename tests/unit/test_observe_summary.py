"""The summary of a timeline: who waited for what, and who was in the way."""

from pathlib import Path
from typing import Any

from tuning import timeline
from tuning.observe.sampling.statement_numbers import MAX_STATEMENTS, StatementNumbers
from tuning.observe.watch import Overhead
from tuning.reports import observe
from tuning.timeline import Header, Sample, Source, Timeline

PATH = Path("timeline.jsonl")


def session(pid: int, *blocked_by: int, state: str = "active", wait: tuple[str, str] | None = None) -> dict[str, Any]:
    wait_type, wait_event = wait or ((None, None) if not blocked_by else ("Lock", "transactionid"))
    return {
        "pid": pid,
        "state": state,
        "application": "shop",
        "wait_type": wait_type,
        "wait_event": wait_event,
        "query_s": float(pid),
        "blocked_by": list(blocked_by),
        "statement": pid,
    }


def seen(*samples: list[dict[str, Any]]) -> Timeline:
    texts = [Sample(0, timeline.STATEMENT, {"number": number, "text": f"SELECT {number}"}) for number in range(1, 5)]
    activity = [
        Sample(number / 10, timeline.ACTIVITY, {"sessions": sessions, "idle": 0, "hidden": 0})
        for number, sessions in enumerate(samples)
    ]
    header = Header(0.0, (Source("activity", None, 0.1), Source("redis", "no Redis was named")))
    return Timeline(header, (*texts, *activity))


def test_summary_names_the_first_of_a_queue() -> None:
    idle = session(1, state="idle in transaction", wait=("Client", "ClientRead"))
    told = observe.summary(seen([idle, session(2, 1), session(3, 2), session(4)], [session(4)]), PATH, None, None)
    (blocker,) = told["blockers"]
    assert (blocker["pids"], blocker["state"], blocker["statement"]) == ([1], "idle in transaction", "SELECT 1")
    assert (blocker["blocked"], blocker["longest_s"], blocker["samples"]) == (2, 3.0, 1)
    waits = {each["wait"]: each["sessions"] for each in told["waits"]}
    assert waits == {"Lock:transactionid": 1.0, "CPU": 1.0, "Client:ClientRead (idle in transaction)": 0.5}
    assert any("Blocker 1 (idle in transaction) kept up to 2" in line for line in observe.lines(told))


def test_summary_puts_blockers_with_one_statement_together() -> None:
    first, second = session(1), {**session(2), "statement": 1}
    told = observe.summary(seen([first, session(3, 1)], [second, session(3, 2), session(4, 3)]), PATH, None, None)
    (blocker,) = told["blockers"]
    assert (blocker["pids"], blocker["blocked"], blocker["samples"]) == ([1, 2], 2, 2)
    assert any("Blocker 1 and 1 more (active)" in line for line in observe.lines(told))


def test_summary_blames_nobody_where_nobody_blocks() -> None:
    told = observe.summary(seen([session(1), session(2, wait=("IO", "WalSync"))]), PATH, None, None)
    assert told["blockers"] == []
    lines = observe.lines(told)
    assert "No session was seen waiting for another's lock." in lines
    assert "  redis: no Redis was named" in lines


def test_summary_says_what_watching_cost() -> None:
    cheap = Overhead(10, 0.1, 0.01, 0.2, 0.005)
    for overhead, is_over in ((cheap, False), (Overhead(10, 0.1, 0.01, 0.2, 0.5), True)):
        lines = observe.lines(observe.summary(seen([]), PATH, overhead, None))
        assert any("1.0% of one core" in line and ("more than the 2%" in line) is is_over for line in lines)


def test_statement_has_one_number_whatever_its_values() -> None:
    numbers = StatementNumbers()
    first, new = numbers.of(None, "SELECT 1 FROM t WHERE a = 'x'")
    assert new is not None
    assert numbers.of(None, "SELECT 2 FROM t  WHERE a = 'y'") == (first, None)
    other, new = numbers.of(None, "SELECT 2 FROM u WHERE a = 'y'")
    assert other != first
    assert new is not None
    of_id, new = numbers.of(77, "SELECT 1")
    assert new == {"number": of_id, "text": "SELECT 1", "query_id": 77}
    # The server leaves the text of a known id out.
    assert numbers.of(77, None) == (of_id, None)
    assert numbers.known_ids == [77]
    assert numbers.of(None, None) == (None, None)


def test_statements_without_end_share_a_number() -> None:
    numbers = StatementNumbers()
    found = {numbers.of(None, f"SELECT a{number}")[0] for number in range(MAX_STATEMENTS + 50)}
    assert len(found) == MAX_STATEMENTS + 1

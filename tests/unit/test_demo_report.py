"""The demo's document, from figures that are known."""

from dataclasses import replace

from hdrh.histogram import HdrHistogram

from tuning.lab.published import REPORT as PUBLISHED
from tuning.lab.results import Latency, LoadResult
from tuning.lab.rung import Rung
from tuning.observe.audit import Audit, Violation
from tuning.observe.machine import Machine
from tuning.reports import demo

MACHINE = Machine(cpu="cpu", cores=2, memory_bytes=2**34, system="Linux", python="3.11.7")


def latency(name: str, count: int, mean_ms: float, p95_ms: float) -> Latency:
    empty = HdrHistogram(1, 1000, 3).encode().decode()
    return Latency(name, count, 0, mean_ms, mean_ms, p95_ms, p95_ms, p95_ms, empty)


def rung(profile: str, requests_per_s: float, mean_ms: float, p95_ms: float, reservations: int) -> Rung:
    by_name = [latency("01_jwt_auth", 5, mean_ms, p95_ms), latency("04_stock_reserve", reservations, mean_ms, p95_ms)]
    load = LoadResult("s_5_1", 10.0, requests_per_s, latency("all", 100, mean_ms, p95_ms), by_name, {}, {})
    return Rung(profile, load, Audit([], reservations, reservations, reservations, 0), [], [], None)


def document(report: Rung, kit: Rung) -> dict[str, object]:
    return demo.document(PUBLISHED, report, kit, MACHINE, users=5, spawn_rate=1, seconds=10)


def test_document_has_the_figures_and_their_ratios() -> None:
    found = document(rung("report", 10, 1000, 2000, 7), rung("kit", 40, 100, 400, 21))
    assert found["ratio"] == {"requests_per_s": 4.0, "mean_ms": 10.0, "p95_ms": 5.0, "reservations": 3.0}
    assert found["audit"] == {"violations": 0, "findings": []}
    for name, rate, reservations in (("report", 10, 7), ("kit", 40, 21)):
        part = found[name]
        assert isinstance(part, dict)
        assert (part["requests_per_s"], part["reservations"], part["logins"]) == (rate, reservations, 5)
    assert demo.verdict(found) == (
        "The kit's configuration served 4.0 times the requests at 1/5.0 of the P95; no unit was oversold or lost."
    )


def test_markdown_shows_violations_and_never_hides_them() -> None:
    kit = rung("kit", 40, 100, 400, 21)
    broken = replace(kit, audit=replace(kit.audit, violations=[Violation("counters_not_negative", "stock 1: -3")]))
    found = document(rung("report", 10, 1000, 2000, 7), broken)
    text = demo.markdown(found)
    assert "the audit found 1 violations" in text
    assert "- kit: counters_not_negative: stock 1: -3" in text


def test_ratio_of_nothing_is_not_a_figure() -> None:
    found = document(rung("report", 0, 0, 0, 0), rung("kit", 40, 100, 400, 21))
    assert found["ratio"] == {"requests_per_s": None, "mean_ms": 0.0, "p95_ms": 0.0, "reservations": None}
    assert "nothing to compare" in demo.verdict(found)
    assert "Published" in demo.markdown(found)


def test_reservations_that_went_past_pgbouncer_are_a_violation() -> None:
    kit = rung("kit", 40, 100, 400, 21)
    for transactions, violations in ((21, 0), (20, 1)):
        found = document(rung("report", 10, 1000, 2000, 7), replace(kit, pool={"total_xact_count": transactions}))
        assert found["audit"]["violations"] == violations  # type: ignore[index]

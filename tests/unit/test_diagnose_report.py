"""The report's own table, in Locust's form, leads to the conclusions that its figures allow, and to no other."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.command import ROOT, hotrow

TABLE = ROOT / "tests/data/report_stats.csv"
SCENARIO = ("--slots", "9", "--users", "1000", "--spawn-rate", "50", "--seconds", "60")


def diagnose(*options: str, file: Path = TABLE) -> dict[str, Any]:
    done = hotrow("diagnose", str(file), *options, "--json", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"rules": {verdict["rule"]: verdict for verdict in found["verdicts"]}}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return diagnose(*SCENARIO)


def finding(found: dict[str, Any], rule: str) -> dict[str, Any]:
    first: dict[str, Any] = found["rules"][rule]["findings"][0]
    return first


def test_first_680_are_in_the_system_and_almost_all_wait_for_a_slot(report: dict[str, Any]) -> None:
    figures = finding(report, "slots-saturated")["figures"]
    assert figures["in_system"] == pytest.approx(680, abs=0.5)
    assert figures["wait_share"] == pytest.approx(0.987, abs=0.0005)
    assert report["rules"]["slots-saturated"]["outcome"] == "FAIL"
    assert report["answer"].startswith("98.7 % of the mean response time of 16.5 s is waiting for one of 9 slots")


def test_second_a_slot_is_held_for_218_ms_and_no_reservation_for_seven_seconds(report: dict[str, Any]) -> None:
    assert finding(report, "slots-saturated")["figures"]["service_at_most_s"] == pytest.approx(0.218, abs=0.0005)
    held = finding(report, "lock-contention")["figures"]
    # The report estimates 5 to 8 s of lock wait and 2 to 3 s of INSERT for each reservation: 144 of them would have
    # taken 1,008 slot-seconds, and nine slots had 540.
    assert held["POST /04_stock_reserve, held_at_most_s"] == pytest.approx(540.9 / 144, rel=0.01)
    assert held["POST /04_stock_reserve, held_at_most_s"] < 5 + 2


def test_third_every_kind_of_request_is_slow_in_the_same_queue(report: dict[str, Any]) -> None:
    found = finding(report, "queue-before-slots")
    assert "in front of the application, not on a row" in found["message"]
    assert found["figures"]["slowest_over_fastest"] == pytest.approx(19.8 / 13.9)
    for name, response_s, least in (
        ("POST /01_jwt_auth", 13.9, 13.3),
        ("GET /02_product_list", 17.7, 17.1),
        ("GET /03_stock_availability", 19.0, 17.2),
        ("POST /04_stock_reserve", 19.8, 16.0),
    ):
        waited = found["figures"][f"{name}, response_s"] - found["figures"][f"{name}, held_at_most_s"]
        assert found["figures"][f"{name}, response_s"] == response_s
        assert waited > least


def test_fourth_a_login_costs_526_ms_if_others_cost_ten(report: dict[str, Any]) -> None:
    figures = finding(report, "login-dominates")["figures"]
    assert (figures["logins"], figures["requests"]) == (1_000, 2_476)
    assert figures["login_s"] == pytest.approx(0.526, abs=0.0005)
    assert figures["login_share"] > 0.97
    assert report["rules"]["login-dominates"]["outcome"] == "WARN"
    assert "PBKDF2" in hotrow("rules", "show", "login-dominates").stdout


def test_fifth_slots_over_response_time_count_the_queue_and_the_slots_twice(report: dict[str, Any]) -> None:
    figures = finding(report, "slots-over-response-time")["figures"]
    assert figures["quotient_per_s"] == pytest.approx(0.45, abs=0.005)
    # The report rounds before it multiplies, and gets 4.05.
    assert figures["quotient_times_slots_per_s"] == pytest.approx(4.05, rel=0.02)
    assert figures["throughput_per_s"] == 41.2
    assert "counted twice" in finding(report, "slots-over-response-time")["message"]


def test_sixth_reservations_a_second_are_the_mix(report: dict[str, Any]) -> None:
    figures = finding(report, "rate-is-the-mix")["figures"]
    assert (figures["requests"], figures["of"]) == (144, 2_476)
    assert figures["flow_per_s"] == pytest.approx(2.4, abs=0.01)


def test_figures_fit_a_thousand_users_and_a_minute(report: dict[str, Any]) -> None:
    assert {report["rules"][rule]["outcome"] for rule in ("duration-stated", "users-and-little")} == {"OK"}
    figures = finding(report, "users-and-little")["figures"]
    assert figures["user_s"] == pytest.approx(50_000, rel=0.01)
    assert figures["rest_s"] / figures["users"] == pytest.approx(9.2, abs=0.1)


def test_figures_do_not_fit_the_appendix() -> None:
    appendix = diagnose("--slots", "9", "--users", "50", "--spawn-rate", "10", "--seconds", "300")
    assert {appendix["rules"][rule]["outcome"] for rule in ("duration-stated", "users-and-little")} == {"FAIL"}
    assert appendix["answer"].startswith("680 requests were in the system on average; 50 users had")


def test_steady_state_would_take_longer_than_the_mean_says(report: dict[str, Any]) -> None:
    figures = finding(report, "slots-at-most")["figures"]
    assert figures["at_most_per_s"] == pytest.approx(41.2)
    # P95 of the table is 24 s: the mean of 16.5 s is that of the ramp.
    assert figures["response_at_least_s"] == pytest.approx(24.3, abs=0.05)


def test_goal_of_a_second_needs_a_thousand_requests_a_second() -> None:
    figures = finding(diagnose(*SCENARIO, "--goal-s", "1"), "goal-reachable")["figures"]
    assert figures["needed_per_s"] == pytest.approx(1_000)
    assert figures["service_at_most_s"] == pytest.approx(0.009)


def test_no_lock_is_blamed(report: dict[str, Any]) -> None:
    assert report["rules"]["lock-contention"]["outcome"] == "SKIP"
    assert "pg_blocking_pids" in report["rules"]["lock-contention"]["reason"]


def test_spawn_rate_is_not_needed_for_the_answer(report: dict[str, Any]) -> None:
    found = diagnose("--slots", "9", "--users", "1000", "--seconds", "60")
    assert found["answer"] == report["answer"]
    assert "--spawn-rate" in found["rules"]["ramp"]["reason"]


def test_without_the_slots_nothing_is_said_of_them(tmp_path: Path) -> None:
    found = diagnose("--users", "1000", "--spawn-rate", "50", "--seconds", "60")
    assert found["rules"]["slots-saturated"]["outcome"] == "SKIP"
    assert "--slots" in found["rules"]["slots-saturated"]["reason"]
    assert found["rules"]["users-and-little"]["outcome"] == "OK"


def test_with_slots_enough_for_all_the_queue_is_gone() -> None:
    found = diagnose("--slots", "1000", "--users", "1000", "--spawn-rate", "50", "--seconds", "60")
    for rule in ("slots-saturated", "queue-before-slots", "slots-over-response-time"):
        assert found["rules"][rule]["outcome"] == "OK"
    assert found["rules"]["login-dominates"]["outcome"] == "SKIP"

"""The report's predictions beside what two ladders measured."""

from typing import Any

import pytest

from tuning.lab.published import PREDICTIONS, Prediction
from tuning.lab.rungs import BASELINE, NAMES
from tuning.reports import remedies
from tuning.reports.ladder import FIGURES

GEVENT = Prediction(1, "gevent", "three times as many", "requests_per_s", 3.0)
FASTER = Prediction(8, "asynchronous", "30 % less", "mean_ms", 0.7, is_more=False)


def rung(name: str, **figures: float) -> dict[str, Any]:
    given = {"requests_per_s": 10.0, "mean_ms": 100.0, "failed_percent": 0.0, **figures}
    return {
        "name": name,
        "figures": {key: {"median": value, "min": value, "max": value} for key, value in given.items()},
    }


def ladder(*rungs: dict[str, Any]) -> dict[str, Any]:
    asked = {"users": 10, "spawn_rate": 5, "seconds": 3, "rounds": 1, "rate": 0.0, "processes": 1}
    return {"conditions": asked, "rungs": [rung(BASELINE), *rungs]}


def verdict(prediction: Prediction, alone: dict[str, Any] | None, stacked: dict[str, Any] | None) -> dict[str, Any]:
    found = remedies.document(
        [prediction], {"alone": alone, "stacked": stacked}, {"ladder/gevent-1": "The limit is x."}
    )
    assert len(remedies.rows(found)[0]) == len(remedies.TITLES)
    assert "| 1 |" in remedies.markdown(found) or prediction.remedy != 1
    only: dict[str, Any] = found["remedies"][0]
    return only


def test_prediction_holds_where_it_was_reached_alone_and_stacked() -> None:
    fast, slow = ladder(rung("gevent", requests_per_s=30.0)), ladder(rung("gevent", requests_per_s=29.0))
    assert verdict(GEVENT, fast, fast)["verdict"] == remedies.HELD
    assert verdict(GEVENT, slow, fast)["verdict"] == remedies.PARTLY
    found = verdict(GEVENT, None, slow)
    assert found["verdict"] == remedies.NOT
    assert found["evidence"] == "ladder/gevent-1: The limit is x."
    assert verdict(GEVENT, None, None)["verdict"] == remedies.UNKNOWN


def test_time_is_to_fall_and_requests_are_to_be_answered() -> None:
    assert verdict(FASTER, ladder(rung("asynchronous", mean_ms=70.0)), None)["verdict"] == remedies.HELD
    assert verdict(FASTER, ladder(rung("asynchronous", mean_ms=71.0)), None)["verdict"] == remedies.NOT
    refused = ladder(rung("gevent", requests_per_s=300.0, failed_percent=90.0))
    assert verdict(GEVENT, refused, None)["verdict"] == remedies.NOT


def test_stacked_is_held_against_the_rung_before_and_alone_against_the_baseline() -> None:
    both = ladder(rung("workers", requests_per_s=20.0), rung("gevent", requests_per_s=40.0))
    assert verdict(GEVENT, both, None)["alone"]["ratio"] == 4.0
    assert verdict(GEVENT, None, both)["stacked"]["ratio"] == 2.0


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda each: f"{each.remedy}-{each.rung}")
def test_every_prediction_is_of_a_rung_and_a_figure_or_says_where_else(prediction: Prediction) -> None:
    if prediction.figure is None:
        assert prediction.elsewhere
    else:
        assert prediction.rung in NAMES
        assert prediction.figure in FIGURES


def test_no_remedy_of_the_report_is_left_out() -> None:
    assert {each.remedy for each in PREDICTIONS} == set(range(1, 12))

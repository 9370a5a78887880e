"""Scenario names."""

import pytest

from tuning.load.scenario import Scenario


def test_scenario_survives_its_own_name() -> None:
    scenario = Scenario("optimistic", 1000, 50)
    assert scenario.name == "optimistic_1000_50"
    assert Scenario.parse(scenario.name) == scenario


@pytest.mark.parametrize("name", ["", "optimistic", "optimistic_10", "Optimistic_10_1", "a_0_1", "a_5_6", "a_99999_1"])
def test_parse_refuses_what_is_no_scenario(name: str) -> None:
    with pytest.raises(ValueError, match=r"scenario|users|spawn rate"):
        Scenario.parse(name)

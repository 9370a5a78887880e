"""The laws hold in a simulated network, and what is concluded from its figures is true of it."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.queueing import Answered, Network, figures, simulate
from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.figures import Moment
from tuning.diagnose.judge import judge
from tuning.diagnose.population import user_seconds, user_seconds_seen
from tuning.diagnose.run import Run, Stated

NETWORKS = st.builds(
    Network,
    users=st.integers(1, 60),
    slots=st.integers(1, 12),
    think_s=st.sampled_from([0.0, 0.05, 1.0]),
    service_s=st.fixed_dictionaries({"read": st.floats(0.02, 0.2), "write": st.floats(0.02, 0.5)}),
    spawn_rate_per_s=st.sampled_from([5.0, 50.0, 1000.0]),
    seconds=st.just(10.0),
    seed=st.integers(0, 2**20),
)
# Rounding of sums of floats.
ROUNDING = 1e-9


def stated(network: Network) -> Stated:
    return Stated(
        slots=network.slots,
        users=network.users,
        spawn_rate_per_s=network.spawn_rate_per_s,
        seconds=network.seconds,
        think_s=network.think_s,
    )


def of_kind(answered: list[Answered], kind: str | None = None) -> tuple[float, float, int]:
    """Times in slots, response times, and how many."""
    chosen = [each for each in answered if kind in (None, each.kind)]
    return sum(each.service_s for each in chosen), sum(each.response_s for each in chosen), len(chosen)


@given(network=NETWORKS)
@settings(max_examples=40, deadline=None)
def test_no_bound_is_below_what_the_network_did(network: Network) -> None:
    answered = simulate(network)
    held_s, response_s, number = of_kind(answered)
    assume(number > 20)
    service_s, throughput = held_s / number, number / network.seconds
    most = laws.throughput_at_most_per_s(network.users, service_s, network.slots, network.think_s)
    # A user is in the middle of a cycle at the end, so each may be ahead by one request.
    assert throughput <= min(network.slots / service_s, most + network.users / network.seconds) * (1 + ROUNDING)
    assert laws.utilisation(throughput, service_s, network.slots) <= 1 + ROUNDING
    assert laws.in_system(throughput, response_s / number) <= network.users * (1 + ROUNDING)


@given(network=NETWORKS)
@settings(max_examples=40, deadline=None)
def test_what_is_concluded_is_true_of_the_network(network: Network) -> None:
    answered = simulate(network)
    assume({each.kind for each in answered} == {"read", "write"})
    run = Run(figures(answered, network.seconds), stated(network))
    held_s, response_s, number = of_kind(answered)
    assert run.service_at_most_s >= held_s / number * (1 - ROUNDING)
    for request in run.load.requests:
        kind_held_s, _, kind_number = of_kind(answered, request.name)
        assert run.held_at_most_s(request) >= kind_held_s / kind_number * (1 - ROUNDING)
    (saturated,) = (each for each in judge(run).verdicts if each.rule == "slots-saturated")
    told = saturated.findings[0].figures.get("wait_share", 0.0)
    assert told <= 1 - held_s / response_s + ROUNDING
    (users,) = (each for each in judge(run).verdicts if each.rule == "users-and-little")
    assert users.outcome is not Outcome.FAIL


def test_saturated_slots_are_told_from_slots_that_are_not() -> None:
    busy = Network(60, 3, 0.0, {"read": 0.02, "write": 0.1}, 60.0, 60.0)
    idle = Network(60, 30, 1.0, {"read": 0.02, "write": 0.1}, 60.0, 60.0)
    outcomes = {}
    for network in (busy, idle):
        run = Run(figures(simulate(network), network.seconds), stated(network))
        found = {each.rule: each for each in judge(run).verdicts}
        outcomes[network.slots] = found["slots-saturated"].outcome
    assert outcomes == {3: Outcome.FAIL, 30: Outcome.OK}


def test_service_time_of_saturated_slots_is_found_to_a_percent() -> None:
    network = Network(60, 3, 0.0, {"read": 0.02, "write": 0.1}, 60.0, 200.0, seed=7)
    answered = simulate(network)
    held_s, _, number = of_kind(answered)
    assert Run(figures(answered, 200.0), stated(network)).service_at_most_s == pytest.approx(held_s / number, rel=0.01)


def test_steady_state_reaches_the_bounds() -> None:
    network = Network(60, 3, 0.5, {"read": 0.02, "write": 0.1}, 1000.0, 400.0, seed=7)
    answered = simulate(network)
    held_s, response_s, number = of_kind(answered)
    service_s, throughput = held_s / number, number / network.seconds
    assert throughput == pytest.approx(laws.throughput_at_most_per_s(60, service_s, 3, 0.5), rel=0.02)
    assert response_s / number == pytest.approx(laws.response_at_least_s(60, service_s, 3, 0.5), rel=0.05)
    assert response_s / number == pytest.approx(laws.response_s(60, throughput, 0.5), rel=0.05)
    assert laws.think_time_s(60 * 400.0, response_s, number) == pytest.approx(0.5, rel=0.1)


@given(
    users=st.integers(1, 10_000),
    service_s=st.floats(0.001, 10),
    slots=st.integers(1, 1_000),
    think_s=st.floats(0, 100),
)
def test_bounds_fit_each_other(users: int, service_s: float, slots: int, think_s: float) -> None:
    most = laws.throughput_at_most_per_s(users, service_s, slots, think_s)
    least_s = laws.response_at_least_s(users, service_s, slots, think_s)
    assert laws.response_s(users, most, think_s) == pytest.approx(least_s, rel=1e-6, abs=1e-6)
    assert laws.throughput_needed_per_s(users, least_s, think_s) == pytest.approx(most, rel=1e-6)
    assert laws.service_at_most_s(most, slots) >= service_s * (1 - 1e-6)
    knee = laws.users_at_knee(service_s, slots, think_s)
    assert laws.throughput_at_most_per_s(knee, service_s, slots, think_s) == pytest.approx(slots / service_s)


@given(users=st.integers(1, 2_000), rate=st.floats(0.5, 500), seconds=st.integers(1, 300))
def test_history_of_a_ramp_has_the_user_seconds_of_its_spawn_rate(users: int, rate: float, seconds: int) -> None:
    history = [Moment(float(at), min(users, int(rate * at)), 0) for at in range(seconds + 1)]
    seen = user_seconds_seen(history, float(seconds))
    computed = user_seconds(users, rate, float(seconds))
    # Users are whole, and the row in which the last are there is up to a second late.
    assert computed - users - seconds - 1 <= seen <= computed + 1e-6
    assert computed <= user_seconds(users, None, float(seconds)) * (1 + 1e-9)

"""What ``hotrow bench overload`` makes of a flood."""

from tuning.bench.flood import Heard, Phase, Plan, _requests
from tuning.bench.overload import SLOT_S, normal_after_s

PER_S, SECONDS = 100.0, 5.0


def heard(*, slow_until_s: float) -> Heard:
    due = [number / PER_S for number in range(int(PER_S * SECONDS))]
    return Heard(good=[(each, 1.5 if each < slow_until_s else 0.01) for each in due])


def test_service_is_normal_from_the_slot_on_after_which_all_are_good() -> None:
    assert normal_after_s(heard(slow_until_s=0), PER_S, SECONDS) == 0
    assert normal_after_s(heard(slow_until_s=2.2), PER_S, SECONDS) == 2.5
    assert normal_after_s(heard(slow_until_s=SECONDS), PER_S, SECONDS) is None


def test_relapse_is_seen() -> None:
    found = heard(slow_until_s=0)
    found.good = [(due, latency) for due, latency in found.good if not 3 <= due < 3 + SLOT_S]
    assert normal_after_s(found, PER_S, SECONDS) == 3 + SLOT_S


def test_two_of_ten_requests_read_and_no_key_comes_twice() -> None:
    made = _requests(Plan(1, [Phase(1, 1)], ["a", "b"], 7, "run"))
    sent = [next(made) for _ in range(100)]
    reservations = [each for each in sent if each.startswith(b"POST ")]
    assert len(reservations) == 80
    assert len({each.split(b"Idempotency-Key: ")[1].split(b"\r")[0] for each in reservations}) == 80

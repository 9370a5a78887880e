"""A closed queueing network, simulated: the oracle for laws that must hold whatever the times are."""

import heapq
import random
from collections import deque
from dataclasses import dataclass
from itertools import count

from tuning.diagnose.figures import LoadFigures, Request, summed


@dataclass(frozen=True)
class Network:
    """Users think, choose a kind of request, and wait for one of the slots in the order in which they came."""

    users: int
    slots: int
    think_s: float
    service_s: dict[str, float]
    """Mean of each kind; times are exponential, kinds equally frequent."""
    spawn_rate_per_s: float
    seconds: float
    seed: int = 0


@dataclass(frozen=True)
class Answered:
    kind: str
    response_s: float
    service_s: float


def simulate(network: Network) -> list[Answered]:
    """What was answered before the time was up."""
    chance, numbers = random.Random(network.seed), count()
    kinds = sorted(network.service_s)
    # (when, number, user is back): either a user sends, or an answer frees a slot.
    events: list[tuple[float, int, Answered | None]] = []
    for user in range(network.users):
        heapq.heappush(events, (user / network.spawn_rate_per_s, next(numbers), None))
    waiting: deque[tuple[float, str]] = deque()
    free, answered = network.slots, []
    while events:
        now, _, done = heapq.heappop(events)
        if now > network.seconds:
            break
        if done is None:
            waiting.append((now, chance.choice(kinds)))
        else:
            answered.append(done)
            free += 1
            heapq.heappush(events, (now + network.think_s, next(numbers), None))
        while free and waiting:
            sent, kind = waiting.popleft()
            service_s = chance.expovariate(1 / network.service_s[kind])
            free -= 1
            end = now + service_s
            heapq.heappush(events, (end, next(numbers), Answered(kind, end - sent, service_s)))
    return answered


def figures(answered: list[Answered], seconds: float) -> LoadFigures:
    """What a load generator would have told of it."""
    by_kind: dict[str, list[float]] = {}
    for each in answered:
        by_kind.setdefault(each.kind, []).append(each.response_s)
    requests = tuple(
        Request(kind, len(times), 0, sum(times) / len(times), min(times), max(times), len(times) / seconds)
        for kind, times in sorted(by_kind.items())
    )
    return LoadFigures("simulated", requests, summed(requests), seconds, is_rounded=False)

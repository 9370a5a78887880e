"""One of many who want the same answer in one process computes it; the others take it from there."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

# Whoever waited this long goes alone: the one in front is in trouble of its own.
PATIENCE_S = 2.0

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Flight(Generic[T]):
    landed: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    result: T | None = None
    error: Exception | None = None

    def publish(self, result: T) -> None:
        self.result = result
        self.landed.set()


class Flights(Generic[T]):
    """Coalesces calls with the same key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[T]] = {}

    def run(
        self,
        key: Hashable,
        work: Callable[[Callable[[T], None]], T],
        is_enough: Callable[[T], bool] = lambda result: True,
        joins: int = 2,
    ) -> T:
        """Do the work, or wait for whoever does it.

        Args:
            key: What makes two calls the same.
            work: Is given a function that serves an answer to all others before the work is done.
            is_enough: Whether somebody else's answer will do.
            joins: How many others to wait for before going alone.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not leads:
            for event in (flight.landed, flight.ended):
                has_come = event.wait(PATIENCE_S)
                if flight.error is not None:
                    raise flight.error
                if flight.result is not None and is_enough(flight.result):
                    return flight.result
                if not has_come:
                    break
            if flight.ended.is_set() and joins > 1:
                return self.run(key, work, is_enough, joins - 1)
            return work(lambda early: None)
        try:
            result = work(flight.publish)
            flight.result = result
            return result
        except Exception as error:
            if flight.result is None:
                flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()
            flight.ended.set()

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

    def run(self, key: Hashable, work: Callable[[Callable[[T], None]], T]) -> T:
        """Do the work, or wait for whoever does it.

        Args:
            key: What makes two calls the same.
            work: Is given a function that serves an answer to all others before the work is done.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not leads:
            flight.landed.wait(PATIENCE_S)
            if flight.error is not None:
                raise flight.error
            return work(lambda early: None) if flight.result is None else flight.result
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

"""What is to be watched, as data that goes from one process to another."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Targets:
    """The parts of a system; None and an empty mapping are parts that are not watched.

    ``database`` and ``pooler`` are libpq connection strings, the second of PgBouncer's console (its database may be
    left out); ``redis`` is a redis:// URL, ``metrics_url`` the address of the service's /metrics. ``processes`` maps
    the name of a group to the processes whose whole trees belong to it, with the children that come later. ``reasons``
    says of a part (a source's name) why it was not given, where "it was not named" is not the whole truth.
    """

    database: str | None = None
    pooler: str | None = None
    redis: str | None = None
    metrics_url: str | None = None
    processes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    activity_hz: float = 10
    processes_hz: float = 5
    totals_hz: float = 1
    reasons: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> "Targets":
        document: dict[str, Any] = json.loads(text)
        return cls(**document)

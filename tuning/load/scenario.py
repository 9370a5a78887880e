"""The report's scenario: its request names, its mix, and names such as ``function_1000_50``."""

import re
from dataclasses import dataclass

LOGIN = "01_jwt_auth"
LIST = "02_product_list"
AVAILABILITY = "03_stock_availability"
RESERVE = "04_stock_reserve"
REQUEST_NAMES = (LOGIN, LIST, AVAILABILITY, RESERVE)

# How often each request was made in the report; every user logs in once, before the others.
MIX = {LIST: 1029, AVAILABILITY: 303, RESERVE: 144}

MAX_USERS = 20_000
MAX_SECONDS = 3_600

_NAME = re.compile(r"(?P<strategy>[a-z_]+)_(?P<users>\d+)_(?P<spawn_rate>\d+)")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Closed-loop users without think time, started at a steady rate.

    Raises:
        ValueError: A figure is out of its range.
    """

    strategy: str
    users: int
    spawn_rate: int
    """Users started in one second."""

    def __post_init__(self) -> None:
        if not 1 <= self.users <= MAX_USERS:
            raise ValueError(f"{self.users} users: from 1 to {MAX_USERS:,} can be run")
        if not 1 <= self.spawn_rate <= self.users:
            raise ValueError(f"a spawn rate of {self.spawn_rate}/s: from 1 to the number of users can be run")

    @property
    def name(self) -> str:
        return f"{self.strategy}_{self.users}_{self.spawn_rate}"

    @classmethod
    def parse(cls, name: str) -> "Scenario":
        """Read a name such as ``function_1000_50``.

        Raises:
            ValueError: It is no such name.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is no scenario: write <strategy>_<users>_<spawn rate>, as in function_200_20")
        return cls(match["strategy"], int(match["users"]), int(match["spawn_rate"]))

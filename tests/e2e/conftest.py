"""A client of the running service."""

from collections.abc import Iterator

import pytest

from tests.client import Client
from tuning.stack.stack import Stack


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    """A client that has logged in."""
    with Client(stack.url) as made:
        assert made.log_in("user1").status == 200
        yield made

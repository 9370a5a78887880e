"""The laboratory's slow list answers as the kit's does, with two statements more for each product."""

import json

import pytest

from tests.integration.shop import Shop

pytestmark = pytest.mark.usefixtures("django_service")


def statements(read: object, *arguments: object) -> tuple[object, int]:
    """What a read answers, and how many statements it sent."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as sent:
        entry = read(*arguments)  # type: ignore[operator]  # a function of the service
    return json.loads(entry.body), len(sent)


def test_twin_tells_the_same_in_two_statements_more_for_each_product(shop: Shop) -> None:
    from service.catalog import listing, n_plus_one

    for number in range(3):
        shop.product(number)
    for size in (2, 3):
        kits, one = statements(listing._read, 1, size, None, 0)
        twins, many = statements(n_plus_one.read_page, 1, size, None)
        assert twins == kits
        assert (one, many) == (1, 2 + 2 * size)
    assert statements(n_plus_one.read_page, 1000, 100, None)[0] == statements(listing._read, 1000, 100, None, 0)[0]

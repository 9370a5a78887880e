"""What the service changes ends what is kept of it, and a reservation does not wait for that."""

import threading
import time
import uuid
from typing import Any

import pytest

from tests.integration.shop import Shop, call

pytestmark = pytest.mark.usefixtures("django_service")


def test_reservation_and_what_follows_it_forget_the_availability(shop: Shop) -> None:
    import json

    from service.cache.answers import answers
    from service.stock import availability, reservations, supply, waitlist

    product = shop.product(3)

    def free() -> int:
        """Through the cache; that it is one shows in that a change by another client is not seen."""
        told = json.loads(availability.availability_of(product).body)["available"]
        assert isinstance(told, int)
        return told

    assert free() == 3
    call(shop.connection, [product], [1])
    assert free() == 3
    made = reservations.reserve(1, uuid.uuid4().hex, [(product, 1)])
    assert free() == 1
    supply.restock(uuid.uuid4().hex, product, "MAIN", 4)
    assert free() == 5
    shop.ask("release_reservation_v1", 1, made.order_id, None)
    assert free() == 5
    supply.adjust(uuid.uuid4().hex, product, "MAIN", 0, json.loads(fresh(product))["version"])
    assert free() == 0
    waitlist.join(2, product, 1)
    assert answers().is_well()


def fresh(product: int) -> bytes:
    from service.stock import availability

    return bytes(availability._read(product).body)


def test_saved_product_is_listed_when_it_is_committed(shop: Shop) -> None:
    import json

    from django.db import transaction

    from service.catalog.listing import page
    from service.catalog.models import Category, Product

    category = Category.objects.create(name=uuid.uuid4().hex)

    def listed() -> list[str]:
        return [item["name"] for item in json.loads(page(1, 10, category.pk).body)["items"]]

    assert listed() == []
    product = Product.objects.create(sku=uuid.uuid4().hex, name="first", price=1, category=category)
    assert listed() == ["first"]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        product.name = "never"
        product.save()
        _ = 1 / 0
    assert listed() == ["first"]
    with transaction.atomic():
        product.name = "second"
        product.save()
        assert listed() == ["first"]
    assert listed() == ["second"]
    product.delete()
    assert listed() == []
    category.delete()


@pytest.mark.parametrize("name", ["batched", "function", "pessimistic"])
def test_reservation_sends_redis_nothing_but_coalesced_notices(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A counting client: who asks Redis for what."""
    import redis
    from django_redis import get_redis_connection

    from service.config.environment import StrategyName
    from service.stock import availability, reservations
    from service.stock.strategies import strategy

    product, sent = shop.product(300), []
    send = redis.Redis.execute_command

    def counted(client: Any, *arguments: Any, **options: Any) -> Any:
        if client.connection_pool is get_redis_connection("default").connection_pool:
            sent.append((threading.current_thread().name, arguments[0]))
        return send(client, *arguments, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", counted)
    monkeypatch.setattr(reservations, "_strategy", lambda: strategy(StrategyName(name)))
    began = time.monotonic()
    for _ in range(100):
        reservations.reserve(1, uuid.uuid4().hex, [(product, 1)])
    took_s = time.monotonic() - began
    time.sleep(0.1)
    assert {thread for thread, _ in sent} == {"cache-notices"}
    # SCRIPT LOAD is sent once in the life of a Redis.
    assert {command for _, command in sent} - {"SCRIPT LOAD"} == {"EVALSHA"}
    assert len(sent) <= 4 + took_s / 0.02
    # The control: a read is counted.
    availability.availability_of(product)
    assert threading.current_thread().name in {thread for thread, _ in sent}

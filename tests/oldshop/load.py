"""The old project's buyers: ``python -m tests.oldshop.load STOCK_ID ...`` reserves until it is stopped.

A line ``begun`` when they start; then, when standard input ends, a JSON object of what they were told.
"""

import json
import os
import random
import sys
import threading
from collections import Counter
from typing import Any

THREADS = 2


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.oldshop.settings"
    import django

    django.setup()
    stop = threading.Event()
    told: Counter[str] = Counter()
    errors: list[str] = []
    stock_ids = [int(each) for each in sys.argv[1:]]
    buyers = [threading.Thread(target=_buy, args=(n, stock_ids, stop, told, errors)) for n in range(THREADS)]
    for buyer in buyers:
        buyer.start()
    print("begun", flush=True)
    sys.stdin.read()
    stop.set()
    for buyer in buyers:
        buyer.join()
    print(json.dumps({**told, "errors": errors}))


def _buy(number: int, stock_ids: list[int], stop: threading.Event, told: "Counter[str]", errors: list[str]) -> None:
    from django.db import connection

    from tests.oldshop.shop import reserving
    from tests.oldshop.shop.models import StockReservation

    chance: Any = random.Random(number)
    reserve = reserving.pessimistic if number % 2 == 0 else reserving.optimistic
    while not stop.is_set():
        try:
            stock_id = chance.choice(stock_ids)
            if not reserve(stock_id, 1, 1):
                told["refused"] += 1
                stop.wait(0.01)
                continue
            told["reserved"] += 1
            if chance.random() < 0.2:
                last = StockReservation.objects.filter(product_stock_id=stock_id, status="reserved").last()
                status = chance.choice(["confirmed", "released"])
                if last is not None and number == 0:
                    reserving.end(last.id, status)
        except Exception as error:  # noqa: BLE001  # every failure is what the tests look for
            errors.append(f"{type(error).__name__}: {error}")
    connection.close()


if __name__ == "__main__":
    main()

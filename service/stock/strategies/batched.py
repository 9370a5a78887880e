"""``batched``: calls of one product go through the lane as ``reserve_stock_many``; the rest goes alone."""

import os
from collections.abc import Sequence
from functools import cache

from django.db import DatabaseError, connections
from django.db import Error as AnyDatabaseError

from service.config.environment import WorkerClass, environment
from service.db.databases import LANE_POOL_SIZE
from service.db.sqlstates import INVALID_REQUEST, is_connection_lost, sqlstate
from service.stock.lane import Lane
from service.stock.strategies import Outcome, Request, Result, function

ALIAS = "lane"

_CALL = (
    "SELECT outcome, order_id, expires_at, available"
    " FROM reserve_stock_many_v1(%s::uuid[], %s::bigint[], %s::text[], %s::bigint[], %s::int[], %s) ORDER BY request"
)


def reserve(request: Request) -> Result:
    """Reserve one product with whoever else reserves at the moment, or a cart, or a replacement, on its own.

    A sync worker has one request at a time: there is nobody to go with.
    """
    is_alone = len(request.quantities) > 1 or request.mode != "new"
    if is_alone or environment().worker_class is WorkerClass.SYNC:
        return function.reserve(request)
    return _lane(os.getpid()).reserve(request)


@cache
def _lane(pid: int) -> Lane:
    """The lane of this process; a forked worker makes its own."""
    return Lane(send)


def send(batch: Sequence[Request]) -> list[Result]:
    """Send a batch in one statement.

    A lost connection leaves it unknown whether the batch was committed; sent again with the same
    keys it is replayed or made. A batch that is refused as a whole is sent one by one, so that a
    request fails for nobody but itself.
    """
    try:
        return _send_again(batch)
    except DatabaseError as error:
        if sqlstate(error) != INVALID_REQUEST or len(batch) == 1:
            raise
        return [_alone(request) for request in batch]
    finally:
        # Back to the pool now, and not when the answer of this batch's sender is written.
        connections[ALIAS].close_if_unusable_or_obsolete()


def _send_again(batch: Sequence[Request]) -> list[Result]:
    """Send a batch; every connection of the pool may have to be found dead first."""
    for _ in range(LANE_POOL_SIZE):
        try:
            return _send(batch)
        except AnyDatabaseError as error:
            if not is_connection_lost(error):
                raise
            connections[ALIAS].close()
    return _send(batch)


def _alone(request: Request) -> Result:
    try:
        return _send([request])[0]
    except DatabaseError:
        return Result(Outcome.BUSY)


def _send(batch: Sequence[Request]) -> list[Result]:
    products = [next(iter(request.quantities)) for request in batch]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            _CALL,
            [
                [request.order_id for request in batch],
                [request.user_id for request in batch],
                [request.key for request in batch],
                products,
                [request.quantities[product] for request, product in zip(batch, products, strict=True)],
                batch[0].ttl_s,
            ],
        )
        rows = cursor.fetchall()
    return [
        Result(
            outcome=Outcome(outcome),
            order_id=order_id,
            expires_at=expires_at,
            available=None if available is None else {product: available},
        )
        for product, (outcome, order_id, expires_at, available) in zip(products, rows, strict=True)
    ]

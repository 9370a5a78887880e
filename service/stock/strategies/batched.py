"""``batched``: calls of one product go through the lane as ``reserve_stock_many``; the rest goes alone."""

import os
import time
from collections.abc import Iterable, Sequence
from functools import cache
from uuid import UUID

from django.db import DatabaseError, connections
from django.db import Error as AnyDatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from service.config.environment import WorkerClass, environment
from service.db.replica import committed
from service.db.sqlstates import INVALID_REQUEST, is_connection_lost, is_read_only, sqlstate
from service.metrics.instruments import BATCH_REQUESTS, BATCH_SECONDS
from service.stock.availability import forget
from service.stock.lane import Lane
from service.stock.strategies import Outcome, Request, Result, function

ALIAS = "lane"
_WRITTEN = {Outcome.RESERVED, Outcome.REPLAYED}

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


def waiting() -> int:
    """Requests of this process that wait for a batch."""
    return _lane(os.getpid()).waiting


@cache
def _lane(pid: int) -> Lane:
    """The lane of this process; a forked worker makes its own."""
    return Lane(Sender(connections.create_connection(ALIAS)))


class Sender:
    """Sends one batch after the other over one connection, which stays open.

    Taking a connection from a pool for each batch cost 12 us for each of its requests.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        # Whichever thread or greenlet leads a batch uses it; the lane lets one lead at a time.
        connection.inc_thread_sharing()
        self._connection = connection

    def __call__(self, batch: Sequence[Request]) -> list[Result]:
        """Send a batch in one statement.

        A lost connection leaves it unknown whether the batch was committed; sent again with the same
        keys it is replayed or made. A server that only reads, after a failover, is left the same way. A
        batch that is refused as a whole is sent one by one, so that a request fails for nobody but itself.
        """
        try:
            try:
                return self._send(batch)
            except AnyDatabaseError as error:
                if not is_connection_lost(error) and not is_read_only(error):
                    raise
                self._connection.close()
                return self._send(batch)
        except DatabaseError as error:
            if sqlstate(error) != INVALID_REQUEST or len(batch) == 1:
                raise
            return [self._alone(request) for request in batch]

    def _alone(self, request: Request) -> Result:
        try:
            return self._send([request])[0]
        except DatabaseError:
            return Result(Outcome.BUSY)

    def _send(self, batch: Sequence[Request]) -> list[Result]:
        began = time.monotonic()
        try:
            return self._sent(batch)
        finally:
            BATCH_REQUESTS.observe(len(batch))
            BATCH_SECONDS.observe(time.monotonic() - began)

    def _sent(self, batch: Sequence[Request]) -> list[Result]:
        products = [next(iter(request.quantities)) for request in batch]
        with self._connection.cursor() as cursor:
            cursor.execute(
                _CALL,
                [
                    _array(request.order_id for request in batch),
                    _array(request.user_id for request in batch),
                    [request.key for request in batch],
                    _array(products),
                    _array(request.quantities[product] for request, product in zip(batch, products, strict=True)),
                    batch[0].ttl_s,
                ],
            )
            rows = cursor.fetchall()
        # Once for all of them: reading it for each cost a round trip of its own, and telling of it 24 us.
        written = {product for product, row in zip(products, rows, strict=True) if row[0] in _WRITTEN}
        position = committed(ALIAS) if written else None
        if written:
            forget(written, position)
        return [
            Result(
                outcome=Outcome(outcome),
                order_id=order_id,
                expires_at=expires_at,
                available=None if available is None else {product: available},
                position=position,
                is_told=True,
            )
            for product, (outcome, order_id, expires_at, available) in zip(products, rows, strict=True)
        ]


def _array(values: Iterable[int | UUID]) -> str:
    """As PostgreSQL reads an array; psycopg asks each element how it is quoted, and these need no quotes."""
    return f"{{{','.join(map(str, values))}}}"

"""``function``: the whole reservation is one call of ``sql/functions/reserve_and_commit_v1.sql``."""

from django.db import connection

from service.stock.strategies import Outcome, Request, Result

_CALL = "CALL reserve_and_commit_v1(%s, %s, %s, %s, %s, %s, %s)"


def reserve(request: Request) -> Result:
    """Reserve in one statement and one round trip, in autocommit."""
    products = list(request.quantities)
    with connection.cursor() as cursor:
        cursor.execute(
            _CALL,
            [
                request.order_id,
                request.user_id,
                request.key,
                products,
                list(request.quantities.values()),
                request.ttl_s,
                request.mode,
            ],
        )
        outcome, order_id, expires_at, available, position = cursor.fetchone()
    return Result(
        outcome=Outcome(outcome),
        order_id=order_id,
        expires_at=expires_at,
        available=None if available is None else dict(zip(products, available, strict=True)),
        position=position,
    )

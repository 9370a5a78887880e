"""FastAPI and asyncpg calling the same function with the same checks: what the service is measured against.

Started by ``hotrow bench http`` as ``uvicorn fastapi_app:app`` in the peers' environment, which has no hotrow in it.
It reads ``BENCH_DATABASE_URL`` and ``BENCH_JWT_KEY``.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

POOL_SIZE = 10
TTL_S = 900
MAX_BIGINT = 2**63 - 1
MAX_KEY_LENGTH = 255
KEY = os.environ["BENCH_JWT_KEY"]
_CALL = "SELECT outcome, order_id, expires_at FROM reserve_stock_v1($1, $2, $3, $4, $5, $6)"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti"]
_STATUS = {"reserved": 201, "replayed": 201, "insufficient": 409, "key_conflict": 422, "busy": 503}


class Line(BaseModel):
    product_id: int = Field(ge=1, le=MAX_BIGINT)
    quantity: int = Field(ge=1, le=10_000, strict=True)


class ReservationIn(BaseModel):
    lines: list[Line] = Field(min_length=1, max_length=100)


class LineOut(BaseModel):
    product_id: int
    quantity: int


class ReservationOut(BaseModel):
    order_id: UUID
    status: str = "held"
    expires_at: datetime
    lines: list[LineOut]


@asynccontextmanager
async def _pool(application: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["BENCH_DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE
    ) as application.state.pool:
        yield


app = FastAPI(lifespan=_pool)


async def buyer(authorization: Annotated[str, Header()]) -> int:
    """The user that the bearer token speaks for, checked as the service checks it."""
    scheme, _, text = authorization.partition(" ")
    try:
        token = jwt.decode_complete(
            text,
            KEY,
            algorithms=["HS256"],
            audience="hotrow",
            issuer="hotrow",
            options={"require": _REQUIRED, "strict_aud": True, "enforce_minimum_key_length": True},
        )
        if scheme.lower() != "bearer" or token["header"].get("typ") != "at+jwt":
            raise HTTPException(401, "A valid bearer token is needed.")
        return int(token["payload"]["sub"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise HTTPException(401, "A valid bearer token is needed.") from error


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/reservations", status_code=201)
async def create_reservation(
    request: Request,
    body: ReservationIn,
    user_id: Annotated[int, Depends(buyer)],
    idempotency_key: Annotated[str | None, Header()] = None,
) -> ReservationOut:
    if not idempotency_key or len(idempotency_key) > MAX_KEY_LENGTH:
        raise HTTPException(400, "Send an Idempotency-Key header of 1 to 255 characters.")
    quantities: dict[int, int] = {}
    for line in sorted(body.lines, key=lambda each: each.product_id):
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
    row = await request.app.state.pool.fetchrow(
        _CALL, uuid7(), user_id, idempotency_key, list(quantities), list(quantities.values()), TTL_S
    )
    status = _STATUS.get(row["outcome"], 404)
    if status != 201:
        raise HTTPException(status, row["outcome"])
    lines = [LineOut(product_id=product, quantity=quantity) for product, quantity in quantities.items()]
    return ReservationOut(order_id=row["order_id"], expires_at=row["expires_at"], lines=lines)

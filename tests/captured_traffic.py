"""Captured traffic of a shop at any size: sixty routes with their lists, loops, writes, broken lines, in several files.

``python -m tests.captured_traffic DIRECTORY 200000`` writes it, with schema.sql beside it; a seed gives the same again.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

ENTITIES = (
    "address", "basket", "brand", "coupon", "customer", "delivery", "invoice", "message", "note", "offer", "order",
    "parcel", "payment", "picture", "price", "refund", "review", "supplier", "ticket", "voucher",
)  # fmt: skip
COLUMNS = ("id", "owner_id", "parent_id", "reference", "status", "name", "kind", "total", "created_at", "updated_at")
STATES = ("new", "open", "paid", "sent", "done")
FILES = 4
# One line in so many is no captured statement: cut by a full disk, of another program, with a NUL byte.
BROKEN_EVERY = 2_000
BROKEN = ('{"v": 1, "sql": "SELECT 1', "[]", '{"v": 1}', "Traceback (most recent call last):", "\0\0\0")
_START = datetime(2026, 11, 22, 8, tzinfo=UTC)


@dataclass
class Written:
    """``calls`` counts the captured statements of each route, ``broken`` what is none."""

    files: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    broken: int = 0


def schema(rows: int) -> str:
    """The tables that the statements are about, with ``rows`` rows each and no index but the primary key."""
    made = "".join(
        f'CREATE TABLE "shop_{name}" (id bigint PRIMARY KEY, owner_id bigint, parent_id bigint, reference uuid,'
        " status text, name text, kind int, total numeric, created_at timestamptz, updated_at timestamptz);\n"
        f'INSERT INTO "shop_{name}" SELECT n, n % 1000, n % 300, gen_random_uuid(), (ARRAY{list(STATES)!r})[1 + n % 5],'
        f" 'name ' || n, n % 7, n, timestamptz '2026-01-01' + n * interval '1 min', now()"
        f" FROM generate_series(1, {rows}) AS n;\n"
        for name in ENTITIES
    )
    return f"{made}VACUUM ANALYZE;\n"


def write(directory: Path, lines: int, seed: int = 1) -> Written:
    """Write ``lines`` lines to several files, as processes of a service do: each request stands in one of them."""
    written = Written()
    paths = [directory / f"statements-{1000 + number}-1.jsonl" for number in range(FILES)]
    written.files = [str(path) for path in paths]
    opened = [path.open("w", encoding="utf-8") for path in paths]
    traffic = _Traffic(Random(seed))
    count = 0
    try:
        while count < lines:
            file = opened[traffic.random.randrange(FILES)]
            for route, line in traffic.request():
                if count == lines:
                    break
                if count % BROKEN_EVERY == BROKEN_EVERY - 1:
                    file.write(BROKEN[written.broken % len(BROKEN)] + "\n")
                    written.broken += 1
                else:
                    file.write(line)
                    written.calls[route] += 1
                count += 1
    finally:
        for file in opened:
            file.close()
    return written


class _Traffic:
    def __init__(self, random: Random) -> None:
        self.random = random
        self._at = _START
        self._request = ""
        self._route = ""
        self._method = "GET"
        self._savepoints = 0

    def request(self) -> Iterator[tuple[str, str]]:
        """The lines of one request, with its route."""
        random = self.random
        name = random.choice(ENTITIES)
        kind = random.choices(("list", "detail", "change"), (3, 6, 3))[0]
        self._request = f"{random.getrandbits(64):016x}"
        self._method = "POST" if kind == "change" else "GET"
        self._route = {"list": f"{name}s/", "detail": f"{name}s/<int:pk>/", "change": f"{name}s/<int:pk>/change"}[kind]
        for sql, params, ms, more in {"list": self._list, "detail": self._detail, "change": self._change}[kind](name):
            self._at += timedelta(milliseconds=ms + 0.2)
            yield self._route, self._line(sql, params, ms * random.uniform(0.5, 2), more)

    def _line(self, sql: str, params: Any, ms: float, more: dict[str, Any]) -> str:
        told = {
            "v": 1, "at": self._at.isoformat(), "request_id": self._request, "route": self._route,
            "method": self._method, "alias": "default", "sql": sql, "params": params, "many": False,
            "duration_ms": round(ms, 3), "rows": 1, "caller": f"shop/{self._route.split('/')[0]}.py:7 get",
            "in_transaction": self._method == "POST", "error": None, "truncated": False,
        }  # fmt: skip
        return json.dumps({**told, **more}) + "\n"

    def _list(self, name: str) -> Iterator[tuple[str, Any, float, dict[str, Any]]]:
        random, table = self.random, f'"shop_{name}"'
        state, since = random.choice(STATES), {"type": "timestamp", "value": self._at.isoformat()}
        yield f'SELECT COUNT(*) AS "__count" FROM {table} WHERE {table}."status" = %s', [state], 4, {}
        where = f'({table}."status" = %s AND {table}."created_at" < %s) ORDER BY {table}."created_at" DESC'
        page = f"LIMIT 20 OFFSET {20 * random.randrange(200)}"
        yield f"{_select(table)} WHERE {where} {page}", [state, since], 9, {}
        other = f'"shop_{random.choice(ENTITIES)}"'
        # The loop of an N+1, the owner of each row.
        for _ in range(random.randrange(5, 21)):
            yield f'{_select(other)} WHERE {other}."id" = %s LIMIT 21', [random.randrange(5000)], 0.3, {}
        wanted = [random.randrange(5000) for _ in range(random.randrange(1, 101))]
        yield f'{_select(table)} WHERE {table}."parent_id" IN ({", ".join(["%s"] * len(wanted))})', wanted, 2, {}

    def _detail(self, name: str) -> Iterator[tuple[str, Any, float, dict[str, Any]]]:
        random, table = self.random, f'"shop_{name}"'
        one = random.randrange(5000)
        yield f'{_select(table)} WHERE {table}."id" = %s LIMIT 21', [one], 0.3, {}
        yield f'{_select(table)} WHERE {table}."owner_id" = %(owner)s', {"owner": one % 1000}, 3, {}
        reference = {"type": "uuid", "value": f"{random.getrandbits(128):032x}"}
        yield f'{_select(table)} WHERE {table}."reference" = %s', [reference], 3, {}
        if random.random() < 0.3:
            # By hand, with its values in the text.
            text = f"SELECT sum(total) FROM {table} WHERE owner_id = {one} AND name <> 'it''s {random.getrandbits(32)}'"
            yield text, None, 5, {}

    def _change(self, name: str) -> Iterator[tuple[str, Any, float, dict[str, Any]]]:
        random, table = self.random, f'"shop_{name}"'
        one, money = random.randrange(5000), {"type": "numeric", "value": f"{random.randrange(10_000) / 100}"}
        self._savepoints += 1
        savepoint = f'"s139{random.randrange(8)}_x{self._savepoints}"'
        yield f"SAVEPOINT {savepoint}", None, 0.1, {}
        yield f'{_select(table)} WHERE {table}."id" = %s LIMIT 21 FOR UPDATE', [one], 0.5, {}
        yield f'UPDATE {table} SET "status" = %s, "total" = %s WHERE {table}."id" = %s', ["paid", money, one], 0.6, {}
        rows = random.randrange(1, 40)
        places = ", ".join(["(%s, %s, %s)"] * rows)
        values = [each for n in range(rows) for each in (10_000 + n, one, {"type": "redacted"})]
        yield f'INSERT INTO {table} ("id", "owner_id", "name") VALUES {places}', values, 1.5, {}
        failed = {"error": "40001"} if random.random() < 0.01 else {}
        yield f'UPDATE {table} SET "updated_at" = now() WHERE {table}."owner_id" = %s', [one % 1000], 4, failed
        yield f"RELEASE SAVEPOINT {savepoint}", None, 0.1, {}


def _select(table: str) -> str:
    columns = ", ".join(f'{table}."{column}"' for column in COLUMNS)
    return f"SELECT {columns} FROM {table}"


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    (where / "schema.sql").write_text(schema(5_000))
    done = write(where, int(sys.argv[2]))
    print(f"{sum(done.calls.values()):,} statements of {len(done.calls)} routes, {done.broken} broken lines")

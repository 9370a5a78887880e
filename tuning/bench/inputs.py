"""Batches made before the clock starts: an input that is made inside would be measured with the batch.

A random UUID alone costs 9 us, as much as the reservation. So arrays are stored whole
and uncompressed (EXTERNAL), read once to be in memory, and each is used once.
"""

import math

import psycopg

from tuning.bench.shop import Range

BUYERS = 100_000
# Requests a second to begin with, by batch size; what runs out is made again, twice as large.
_GUESS = {10: 40_000, 50: 120_000, 200: 180_000}
_GUESS_LARGE = 220_000
# What the next round gets over what the last one used.
_SPARE = 1.4
_MIN_BATCHES = 20

# An order id is a UUID of version 7 in form: its batch's time in front, the rest from a hash.
_FILL = """
    INSERT INTO bench.inp (id, o, u, k, p, q)
    SELECT b, line.o, line.u, line.k, line.p, line.q
      FROM generate_series(1, %(batches)s) AS b,
           LATERAL (
               SELECT array_agg((lpad(to_hex(%(ms)s + b), 12, '0') || '7' || substr(h, 1, 3) || '8'
                                 || substr(h, 4, 15))::uuid) AS o,
                      array_agg(1 + (hashint8(b * %(size)s + i) & 2147483647) %% %(buyers)s::bigint) AS u,
                      array_agg(%(run)s || '-' || b || '-' || i) AS k,
                      array_agg(%(first)s + (hashint8(i * 7919 + b) & 2147483647) %% %(products)s::bigint) AS p,
                      array_agg(1) AS q
                 FROM (SELECT i, md5(%(run)s || ' ' || b || ' ' || i) AS h
                         FROM generate_series(1, %(size)s) AS i) AS each) AS line"""

# Keys and buyers out of a few: most requests come several times, in other batches and another order.
_OVERLAP = """
    INSERT INTO bench.inp (id, o, u, k, p, q)
    SELECT b, line.o, line.u, line.k, line.p, line.q
      FROM generate_series(1, %(batches)s) AS b,
           LATERAL (SELECT array_agg(gen_random_uuid() ORDER BY h) AS o, array_agg(1 + h %% 10 ORDER BY h) AS u,
                           array_agg('k' || h / 10 %% %(keys)s ORDER BY h) AS k,
                           array_agg(%(first)s + h / 100 %% %(products)s::bigint ORDER BY h) AS p,
                           array_agg(1 ORDER BY h) AS q
                      FROM (SELECT hashint8(b * 1000003 + i)::bigint & 2147483647 AS h
                              FROM generate_series(1, %(size)s) AS i) AS each) AS line"""

_READ = """
    SELECT sum(hash_array(o)::bigint + hash_array(u) + hash_array(k) + hash_array(p) + hash_array(q)) FROM bench.inp"""


class Supply:
    """How many batches a row needs, learned from the rounds before."""

    def __init__(self) -> None:
        self._rates: dict[object, float] = {}

    def batches(self, row: object, size: int, seconds: float) -> int:
        """Batches for so many seconds, at least a few."""
        rate = self._rates.get(row, _guess(size))
        return max(_MIN_BATCHES, math.ceil(rate * seconds / size))

    def learn(self, row: object, size: int, used_per_s: float) -> None:
        """Keep what was used, but not so little that a row which recovers would run out of every try."""
        self._rates[row] = max(used_per_s * _SPARE, _guess(size) / 4)

    def double(self, row: object, size: int) -> None:
        """Make twice as many the next time: these ran out."""
        self._rates[row] = 2 * self._rates.get(row, _guess(size))


def _guess(size: int) -> float:
    return _GUESS_LARGE if size > max(_GUESS) else next(rate for known, rate in _GUESS.items() if size <= known)


def make(connection: psycopg.Connection, products: Range, *, run: int, batches: int, size: int) -> None:
    """Replace the inputs by ``batches`` new ones of ``size`` requests each."""
    _empty(connection)
    ms = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
    assert ms is not None
    values = {
        "batches": batches,
        "size": size,
        "run": str(run),
        "ms": ms[0],
        "buyers": BUYERS,
        "first": products.first,
        "products": products.last - products.first + 1,
    }
    with psycopg.ClientCursor(connection) as cursor:  # values in the text: hash and modulo know their types
        cursor.execute(_FILL, values)
    _read(connection)


def make_overlapping(connection: psycopg.Connection, products: Range, *, batches: int, size: int, keys: int) -> None:
    """Replace the inputs by batches that share their keys and products; they are used again and again."""
    _empty(connection)
    count = products.last - products.first + 1
    values = {"batches": batches, "size": size, "keys": keys, "first": products.first, "products": count}
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_OVERLAP, values)
    _read(connection)


def used(connection: psycopg.Connection) -> int:
    """How many batches were taken; more than were made means that they ran out."""
    row = connection.execute("SELECT last_value - 1 FROM bench.inp_seq").fetchone()
    assert row is not None
    return int(row[0])


def _empty(connection: psycopg.Connection) -> None:
    connection.execute("TRUNCATE bench.inp")
    connection.execute("SELECT setval('bench.inp_seq', 1, false)")


def _read(connection: psycopg.Connection) -> None:
    connection.execute("ANALYZE bench.inp")
    connection.execute(_READ)

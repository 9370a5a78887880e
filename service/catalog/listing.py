"""Read a page of the products that are on sale, with their free units; kept in the cache.

Admission is never decided by it. A page is read anew after 10 s at the latest if anybody asks for it, and
at once when a product or a category was changed in this service.
"""

from decimal import Decimal
from importlib import import_module

from ninja import Schema

from service.cache.answers import answers
from service.cache.entry import Entry, Lifetime
from service.config.environment import Queries, environment
from service.db.positions import END, ENDED
from service.db.reads import read

# Kept for 5 minutes, so that a page is there while the next is computed or the database is away. Its free
# units are as old as those of the single product, 10 s. A hit in the process's own copy spares the 0.1 ms
# that Redis costs it, which is a quarter of an empty request's time.
LIFETIME = Lifetime(fresh_s=10, keep_s=300, near_s=1)
TAG = "catalog"

# One statement, so that all of it is of one snapshot. The empty page has an end too.
_PAGE = f"""
WITH page AS MATERIALIZED (
    SELECT p.id, p.sku, p.name, p.price, c.name AS category
      FROM product AS p
      JOIN product_category AS c ON c.id = p.category_id
     WHERE p.is_active AND (%(category)s::bigint IS NULL OR p.category_id = %(category)s)
     ORDER BY p.id
    OFFSET %(skip)s LIMIT %(limit)s)
SELECT log.position, log.ended, page.id, page.sku, page.name, page.price, page.category, coalesce(free.available, 0)
  FROM (SELECT {END} AS position, {ENDED} AS ended) AS log
  LEFT JOIN page ON true
  LEFT JOIN stock_availability_v1(ARRAY(SELECT id FROM page)) AS free ON free.product_id = page.id
 ORDER BY page.id
"""  # noqa: S608  # a constant of this package


class ProductOut(Schema):
    id: int
    sku: str
    name: str
    price: Decimal
    category: str
    available: int


class ProductPage(Schema):
    items: list[ProductOut]
    page: int
    next_page: int | None


def page(number: int, size: int, category: int | None, least: int = 0) -> Entry:
    """A page as it is sent.

    Args:
        number: Begins with 1.
        least: The position that the page must have seen (``service/db/positions.py``).
    """
    key = f"products:{number}:{size}:{category or ''}"
    return answers().get(key, TAG, LIFETIME, lambda seen: _read(number, size, category, seen), least)


def _read(number: int, size: int, category: int | None, least: int) -> Entry:
    if environment().queries is Queries.N_PLUS_ONE:
        # The laboratory's: what is imported there has no place in a service.
        page_of: Entry = import_module("service.catalog.n_plus_one").read_page(number, size, category)
        return page_of
    # One row more than the page holds tells whether there is a next one, without a count.
    found_here = read(_PAGE, {"category": category, "skip": (number - 1) * size, "limit": size + 1}, least)
    rows = found_here.rows
    names = tuple(ProductOut.model_fields)
    found = [dict(zip(names, row[2:], strict=True)) for row in rows if row[2] is not None]
    next_page = number + 1 if len(found) > size else None
    made = ProductPage.model_validate({"items": found[:size], "page": number, "next_page": next_page})
    return Entry.of(found_here.seen, made.model_dump_json().encode(), *rows[0][:2])

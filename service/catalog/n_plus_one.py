"""The product list as the report's service read it: the laboratory's twin of ``listing``, slow on purpose.

The whole table is read to show one page of it, and then each product's category and free units, one statement
each. The answer is the same, so that a load cannot tell the two apart but by their times.
"""

from django.db import connection

from service.cache.entry import Entry
from service.catalog.listing import ProductOut, ProductPage
from service.catalog.models import Product
from service.db.positions import END, ENDED
from service.db.reads import read_primary

_WHERE = f"SELECT {END}, {ENDED}"  # constants of this package


def read_page(number: int, size: int, category: int | None) -> Entry:
    """The page of that number, which begins with 1, in 3 + 2 x its products statements."""
    # Asked first: what is read later has seen at least as much.
    log = read_primary(_WHERE, [])
    wanted = Product.objects.filter(is_active=True).order_by("id")
    products = list(wanted if category is None else wanted.filter(category_id=category))
    skipped = (number - 1) * size
    shown = [_out(product) for product in products[skipped : skipped + size]]
    next_page = number + 1 if len(products) > skipped + size else None
    made = ProductPage(items=shown, page=number, next_page=next_page)
    return Entry.of(log.seen, made.model_dump_json().encode(), *log.rows[0])


def _out(product: Product) -> ProductOut:
    with connection.cursor() as cursor:
        cursor.execute("SELECT available FROM stock_availability_v1(ARRAY[%s::bigint])", [product.pk])
        row = cursor.fetchone()
    return ProductOut(
        id=product.pk,
        sku=product.sku,
        name=product.name,
        price=product.price,
        category=product.category.name,
        available=row[0] if row else 0,
    )

"""HTTP: the product list."""

from decimal import Decimal
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema

from service.catalog.models import Product
from service.stock.availability import availability

router = Router(tags=["catalog"])

PAGE_SIZE_MAX = 100
# OFFSET reads all that it skips: beyond this many pages a caller wants a search, not a list.
PAGE_MAX = 1000


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


@router.get("", response=ProductPage, summary="List products that are on sale")
def list_products(
    request: HttpRequest,
    page: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 1,
    page_size: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = 20,
    category: Annotated[int | None, Query(ge=1)] = None,
) -> ProductPage:
    products = Product.objects.filter(is_active=True)
    if category is not None:
        products = products.filter(category_id=category)
    start = (page - 1) * page_size
    # One row more than the page holds tells whether there is a next one, without a count.
    rows = list(products.select_related("category").order_by("id")[start : start + page_size + 1])
    free = {found.product_id: found.available for found in availability([row.pk for row in rows])}
    items = [
        ProductOut(
            id=row.pk,
            sku=row.sku,
            name=row.name,
            price=row.price,
            category=row.category.name,
            available=free.get(row.pk, 0),
        )
        for row in rows[:page_size]
    ]
    return ProductPage(items=items, page=page, next_page=page + 1 if len(rows) > page_size else None)

"""A map is read as it is written, and one that is wrong says what is allowed."""

import pytest

from service.adopt.errors import AdoptionError
from service.adopt.mapping import Counter, Map, Product, StockMeans, Warehouse, parse, render

MADE = Map(
    Counter(
        "shop_productstock",
        "total_stock",
        StockMeans.ON_HAND,
        warehouse="warehouse_id",
        reserved="reserved_stock",
        fill={"created_at": "now()", "note": "E'\\\\\"'"},
    ),
    Product("shop_product"),
    Warehouse("shop_warehouse"),
)
GOOD = render(MADE)


def test_map_is_read_as_it_was_written() -> None:
    assert parse(GOOD) == MADE
    assert parse(render(MADE, {"counter.stock": "units in the warehouse"})) == MADE


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"on_hand"', '"all"', "stock_means is 'all'; on_hand and free are allowed"),
        ('reserved = "reserved_stock"\n', "", "name the column `reserved`"),
        ("reserved =", "reserve =", r"\[counter\] has 'reserve'; known are table"),
        ('stock = "total_stock"\n', "", r"\[counter\] lacks stock"),
        ('stock = "total_stock"', "stock = 3", r"\[counter\] stock is 3; it must be a string"),
        ('"now()"', "1", r"\[counter.fill\] must hold SQL expressions"),
        ("[warehouse]", "[warehouses]", r"the map has \[warehouses\]"),
        ('warehouse = "warehouse_id"\n', "", "or neither"),
        ('[product]\ntable = "shop_product"\nid = "id"', "", r"the map has no \[product\]"),
        ("[counter]", "[counter", "not valid TOML"),
    ],
)
def test_map_that_is_wrong_says_what_is_allowed(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(AdoptionError, match=says):
        parse(GOOD.replace(old, new, 1))

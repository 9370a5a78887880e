"""Guess a map from the project's models; people read and correct it before it is used."""

from collections.abc import Iterable

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import facts
from service.adopt.errors import AdoptionError
from service.adopt.mapping import Counter, Map, Product, StockMeans, Warehouse

# Names that projects use, the surest first.
_RESERVED = ("reserved_stock", "reserved", "reserved_quantity", "quantity_reserved", "quantity_allocated", "held")
_ON_HAND = (
    "total_stock",
    "on_hand",
    "quantity_on_hand",
    "total_quantity",
    "stock",
    "stock_quantity",
    "quantity",
    "total",
)
_FREE = ("available", "available_stock", "available_quantity", "free", "free_stock")
_VERSION = ("version", "lock_version", "row_version")
_UPDATED = ("updated_at", "modified_at", "modified", "updated")
_WAREHOUSE = ("warehouse", "location", "stock_location", "store")
_PRODUCT = ("product", "sku", "variant", "product_variant", "item")
_ACTIVE = ("is_active", "active", "is_published", "enabled")
_LIMIT = ("max_per_user", "limit_per_user", "max_per_customer")
_CODE = ("code", "slug", "name")
# What a counter that restock makes gets where the table has no default.
_FILLS = {
    "timestamp with time zone": "now()",
    "timestamp without time zone": "now()",
    "date": "CURRENT_DATE",
    "boolean": "false",
    "character varying": "''",
    "text": "''",
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "double precision"), "0"),
}


def propose(connection: BaseDatabaseWrapper) -> tuple[Map, dict[str, str]]:
    """Return a map and remarks on what it is not sure of.

    Raises:
        AdoptionError: No model looks like a counter, or several do.
    """
    candidates = [model for model in apps.get_models() if _stock(model) and _relation(model, _PRODUCT)]
    # A reservation has a quantity and a product too; a counter has units reserved as well, or is named after stock.
    candidates = (
        [model for model in candidates if _field(model, _RESERVED)]
        or [model for model in candidates if _field(model, _FREE)]
        or [model for model in candidates if "stock" in model.__name__.lower() or "inventory" in model.__name__.lower()]
    )
    if len(candidates) != 1:
        names = ", ".join(sorted(model._meta.label for model in candidates)) or "none"
        raise AdoptionError(
            f"which model counts stock is not clear; those that might are: {names}. Write the map by hand: "
            "[counter] needs table, stock and stock_means, [product] needs table"
        )
    (model,) = candidates
    product, warehouse = _relation(model, _PRODUCT), _relation(model, _WAREHOUSE)
    assert product is not None
    stock, reserved = _stock(model), _field(model, _RESERVED)
    means = (
        StockMeans.FREE if not reserved or stock in {_field(model, [name]) for name in _FREE} else StockMeans.ON_HAND
    )
    counter = Counter(
        table=model._meta.db_table,
        stock=stock,
        stock_means=means,
        id=_key(model),
        product=product.column,
        warehouse=warehouse.column if warehouse else "",
        reserved=reserved,
        version=_field(model, _VERSION),
        updated_at=_field(model, _UPDATED),
    )
    target = product.related_model
    assert isinstance(target, type)
    made = Map(
        _filled(connection, counter),
        Product(target._meta.db_table, _key(target), _field(target, _ACTIVE), _field(target, _LIMIT)),
        _warehouse(warehouse) if warehouse else None,
    )
    return made, {
        "counter.stock_means": "or free: reserving lowers stock, where on_hand has stock - reserved; see your code",
    }


def _warehouse(relation: "models.ForeignKey[models.Model, models.Model]") -> Warehouse:
    target = relation.related_model
    assert isinstance(target, type)
    return Warehouse(target._meta.db_table, _key(target), _field(target, _CODE), _field(target, ["priority"]))


def _filled(connection: BaseDatabaseWrapper, counter: Counter) -> Counter:
    """Expressions for the columns that a new counter needs and nobody names."""
    table = facts.table(connection, counter.table)
    if table is None:
        raise AdoptionError(f"there is no table {counter.table}: run the project's own migrations first")
    named = {
        getattr(counter, name) for name in ("id", "product", "warehouse", "stock", "reserved", "version", "updated_at")
    }
    fill = {
        column.name: _FILLS[column.type]
        for column in table.columns.values()
        if column.name not in named | set(table.references) and not column.is_nullable and not column.has_default
        if column.type in _FILLS
    }
    values = {name: getattr(counter, name) for name in counter.__slots__}
    return Counter(**(values | {"fill": fill}))


def _stock(model: type[models.Model]) -> str:
    return _field(model, _FREE) or _field(model, _ON_HAND)


def _field(model: type[models.Model], names: Iterable[str]) -> str:
    """The column of the first of these fields that the model has; empty for none."""
    known = {field.name: field for field in model._meta.concrete_fields}
    return next((str(known[name].column) for name in names if name in known and not known[name].is_relation), "")


def _relation(
    model: type[models.Model], names: Iterable[str]
) -> "models.ForeignKey[models.Model, models.Model] | None":
    known = {field.name: field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)}
    return next((known[name] for name in names if name in known), None)


def _key(model: type[models.Model]) -> str:
    key = model._meta.pk
    assert key is not None
    return str(key.column)

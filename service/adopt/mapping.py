"""The map: which tables and columns of the project mean what. It is a TOML file that people read and keep."""

import tomllib
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from service.adopt.errors import AdoptionError


class StockMeans(StrEnum):
    """What the project's stock column counts."""

    ON_HAND = "on_hand"
    """Reserved units too: free units are stock - reserved."""
    FREE = "free"
    """Free units alone: who reserves lowers it."""


@dataclass(frozen=True, slots=True)
class Counter:
    """The table of the hot rows. An empty name means that the table has no such column."""

    table: str
    stock: str
    stock_means: StockMeans
    id: str = "id"
    product: str = "product_id"
    warehouse: str = ""
    reserved: str = ""
    version: str = ""
    updated_at: str = ""
    fill: dict[str, str] = field(default_factory=dict)
    """SQL expressions for columns that have no default, where the kit makes a counter."""


@dataclass(frozen=True, slots=True)
class Product:
    table: str
    id: str = "id"
    is_active: str = ""
    max_per_user: str = ""


@dataclass(frozen=True, slots=True)
class Warehouse:
    table: str
    id: str = "id"
    code: str = "code"
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Map:
    counter: Counter
    product: Product
    warehouse: Warehouse | None


def parse(text: str) -> Map:
    """Read a map.

    Raises:
        AdoptionError: It is no TOML, or a name in it is unknown, missing or of the wrong kind.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AdoptionError(f"the map is not valid TOML: {error}") from error
    if unknown := set(given) - {"counter", "product", "warehouse"}:
        raise AdoptionError(f"the map has [{min(unknown)}]; [counter], [product] and [warehouse] are allowed")
    made = Map(
        counter=_section(Counter, given, "counter"),
        product=_section(Product, given, "product"),
        warehouse=_section(Warehouse, given, "warehouse") if "warehouse" in given else None,
    )
    counter = made.counter
    if counter.stock_means is StockMeans.ON_HAND and not counter.reserved:
        raise AdoptionError(
            "[counter] stock_means is on_hand, so free units are stock - reserved: name the column `reserved`"
        )
    if bool(counter.warehouse) != (made.warehouse is not None):
        raise AdoptionError("name both the table [warehouse] and the column `warehouse` of [counter], or neither")
    return made


def render(mapping: Map, notes: dict[str, str] | None = None) -> str:
    """Write a map as TOML; ``notes`` are comments for names such as ``counter.stock``."""
    lines: list[str] = []
    sections: dict[str, Counter | Product | Warehouse | None] = {
        "counter": mapping.counter,
        "product": mapping.product,
        "warehouse": mapping.warehouse,
    }
    for name, section in sections.items():
        if section is None:
            continue
        lines += [*([""] if lines else []), f"[{name}]"]
        for each in fields(section):
            value = getattr(section, each.name)
            if isinstance(value, dict) or value == "":
                continue
            note = (notes or {}).get(f"{name}.{each.name}")
            lines.append(f"{each.name} = {_quoted(value)}" + (f"  # {note}" if note else ""))
        if isinstance(section, Counter) and section.fill:
            lines += [
                "",
                "[counter.fill]  # what a new counter gets that restock makes, where the table has no default",
            ]
            lines += [f"{column} = {_quoted(value)}" for column, value in section.fill.items()]
    return "\n".join(lines) + "\n"


def _section(kind: type[Any], given: dict[str, Any], name: str) -> Any:
    section = given.get(name)
    if not isinstance(section, dict):
        raise AdoptionError(f"the map has no [{name}]; `adopt_stock --propose` writes one to start from")
    known = [each.name for each in fields(kind)]
    if unknown := set(section) - set(known):
        raise AdoptionError(f"[{name}] has {min(unknown)!r}; known are {', '.join(known)}")
    for key, value in section.items():
        if key == "fill":
            if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
                raise AdoptionError("[counter.fill] must hold SQL expressions as strings")
        elif not isinstance(value, str):
            raise AdoptionError(f"[{name}] {key} is {value!r}; it must be a string")
    if "stock_means" in section:
        try:
            section = section | {"stock_means": StockMeans(section["stock_means"])}
        except ValueError:
            raise AdoptionError(
                f"[counter] stock_means is {section['stock_means']!r}; on_hand and free are allowed"
            ) from None
    try:
        return kind(**section)
    except TypeError:
        needed = ("table", "stock", "stock_means") if name == "counter" else ("table",)
        lacking = [each for each in needed if each not in section]
        raise AdoptionError(f"[{name}] lacks {', '.join(lacking)}") from None


def _quoted(value: str) -> str:
    # A basic string of TOML escapes these two; a name or an expression has no control characters.
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

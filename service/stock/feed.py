"""A stock feed: JSON lines, each one change of supply.

A line is ``{"key", "sku" or "product_id", "warehouse", "delta"}`` for a delivery, or has
``available`` and ``expected_version`` in place of ``delta`` for a stocktake. Each line stands for
itself: one statement, one key, applied as a whole or not at all.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.stock import supply

# A line has a few hundred bytes; beyond this a file is no feed, and is not read into memory.
MAX_LINE_BYTES = 64 * 1024
MAX_BIGINT = 2**63 - 1

Text = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Units = Annotated[int, Field(ge=0, le=supply.MAX_UNITS)]


class Change(BaseModel):
    """One line of a feed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    key: Text
    sku: Text | None = None
    product_id: Annotated[int, Field(ge=1, le=MAX_BIGINT)] | None = None
    warehouse: Text | None = None
    delta: Annotated[int, Field(ge=-supply.MAX_UNITS, le=supply.MAX_UNITS)] | None = None
    available: Units | None = None
    expected_version: Annotated[int, Field(ge=0, le=MAX_BIGINT)] | None = None

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "Change":
        if (self.sku is None) == (self.product_id is None):
            raise ValueError("name the product by sku or by product_id, one of the two")
        is_stocktake = self.available is not None and self.expected_version is not None
        is_half = self.available is not None or self.expected_version is not None
        if is_half != is_stocktake or is_stocktake == (self.delta is not None):
            raise ValueError("give either delta, or available together with expected_version")
        if self.delta == 0:
            raise ValueError("a delta of 0 changes nothing: leave the line out")
        return self

    def apply(self) -> supply.Result:
        """Make the change; safe to repeat."""
        product = self.sku if self.product_id is None else self.product_id
        assert product is not None
        if self.delta is not None:
            return supply.restock(self.key, product, self.warehouse, self.delta)
        assert self.available is not None
        assert self.expected_version is not None
        return supply.adjust(self.key, product, self.warehouse, self.available, self.expected_version)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no change; ``reason`` says what to do about it."""

    reason: str


def read(file: BinaryIO) -> Iterator[tuple[int, Change | Malformed]]:
    """Yield the lines that are not empty, with their numbers, the first being 1."""
    for number, line in enumerate(_lines(file), start=1):
        if line.strip():
            yield number, parse(line)


def parse(line: bytes) -> Change | Malformed:
    """Read one line."""
    if len(line) > MAX_LINE_BYTES:
        return Malformed(f"the line has more than {MAX_LINE_BYTES:,} bytes: write one change a line")
    try:
        document = json.loads(line)
        if not isinstance(document, dict):
            return Malformed("the line is no JSON object: write one {...} a line")
        return Change.model_validate(document)
    except ValidationError as error:
        return Malformed("; ".join(_sentences(error)))
    except (ValueError, RecursionError) as error:
        return Malformed(f"the line is no JSON in UTF-8: {error}")


def _sentences(error: ValidationError) -> Iterable[str]:
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(step) for step in item["loc"])
        yield f"{where}: {item['msg']}" if where else item["msg"].removeprefix("Value error, ")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The file's lines; of one that is too long, only its beginning is kept."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line

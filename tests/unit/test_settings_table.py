"""The table of settings in docs/howto/service.md says what the code reads."""

import re
import types
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.config.environment import Environment, variable

DOCUMENT = Path("docs/howto/service.md")
ROW = re.compile(r"^\| (`HOTROW_\w+`) \| (.*?) \| (.*?) \| (.+) \|$", re.MULTILINE)


def allowed(field: FieldInfo) -> str:
    """What the third column says of a field."""
    kind: Any = field.annotation
    if isinstance(kind, types.UnionType):
        (kind,) = [each for each in get_args(kind) if each is not types.NoneType]
    low = next((f"{each.ge}" for each in field.metadata if hasattr(each, "ge")), None)
    low = low or next((f"above {each.gt:g}" for each in field.metadata if hasattr(each, "gt")), None)
    high = next((f"{each.le}" for each in field.metadata if hasattr(each, "le")), None)
    if issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    if kind is bool:
        return "`true`, `false`"
    if kind in (int, float):
        return f"{low} to {high}" if high else f"{low} or more"
    return "secret" if kind is SecretStr else "text"


def default(field: FieldInfo) -> str:
    """What the second column says of a field."""
    if field.is_required():
        return "needed"
    value = field.default
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


@pytest.mark.parametrize("name", Environment.model_fields)
def test_setting_has_its_row(name: str) -> None:
    field = Environment.model_fields[name]
    rows = {row[0]: row for row in ROW.findall(DOCUMENT.read_text())}
    wanted = (f"`{variable(name)}`", default(field), allowed(field))
    assert rows.get(wanted[0], ("", "", ""))[:3] == wanted, f"write: | {' | '.join(wanted)} | ... |"


def test_table_has_no_other_rows() -> None:
    known = {f"`{variable(name)}`" for name in Environment.model_fields}
    rows = [row[0] for row in ROW.findall(DOCUMENT.read_text())]
    assert len(rows) == len(set(rows))
    assert set(rows) <= known


def test_row_that_says_something_else_is_seen() -> None:
    """The control: the columns tell fields apart."""
    pool = Environment.model_fields["pool_size"]
    assert (default(pool), allowed(pool)) == ("`10`", "1 to 200")
    assert allowed(Environment.model_fields["pool_timeout_s"]) == "above 0 to 30"
    assert allowed(Environment.model_fields["pgbouncer_max_clients"]) == "1 or more"
    assert (default(Environment.model_fields["jwt_keys"]), allowed(Environment.model_fields["jwt_keys"])) == (
        "needed",
        "secret",
    )

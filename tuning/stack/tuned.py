"""Settings of one instance that are not its profile's: written by ``hotrow settings --apply``, read at each start.

PostgreSQL keeps its own in postgresql.auto.conf. What is here goes with the data of the instance.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tuning.stack.errors import StackError
from tuning.stack.secrets import write_private

POOL_SIZE = "pool_size"


@dataclass(frozen=True, slots=True)
class Tuned:
    """``pgbouncer`` has values by name, and a database's pool as ``<database>/pool_size``; ``service`` as HOTROW_*.

    The two ``before`` say what an undo brings back: for PostgreSQL the value of postgresql.auto.conf, None where there
    was none.
    """

    pgbouncer: Mapping[str, str] = field(default_factory=dict)
    service: Mapping[str, str] = field(default_factory=dict)
    postgresql_before: Mapping[str, str | None] = field(default_factory=dict)
    pgbouncer_before: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> Tuned:
    """Read what was applied; nothing where there is no file.

    Raises:
        StackError: The file cannot be understood.
    """
    try:
        return Tuned(**json.loads(path.read_text()))
    except FileNotFoundError:
        return Tuned()
    except (ValueError, TypeError) as error:
        raise StackError(f"{path} holds no settings of `hotrow settings --apply`: remove it") from error


def write(path: Path, tuned: Tuned) -> None:
    """Keep it, whole or not at all; nothing leaves no file."""
    if tuned == Tuned():
        path.unlink(missing_ok=True)
    else:
        write_private(path, json.dumps(asdict(tuned), indent=2))


def configured(text: str, values: Mapping[str, str]) -> str:
    """A pgbouncer.ini with these values in the place of its own; what it does not name is added to its last section.

    Raises:
        StackError: It has no such database.
    """
    for key, value in values.items():
        database, _, name = key.rpartition("/")
        if database:
            entry = re.compile(rf"^({re.escape(database)} = .*\b{name}=)\d+", re.MULTILINE)
            text, count = entry.subn(rf"\g<1>{value}", text)
            if not count:
                raise StackError(f"pgbouncer.ini has no database {database} with a {name}")
            continue
        text, count = re.subn(rf"^{re.escape(name)} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        if not count:
            text = f"{text.rstrip()}\n{name} = {value}\n"
    return text


def current(text: str, keys: Mapping[str, str]) -> dict[str, str]:
    """The values that a pgbouncer.ini has for these keys, without those that it does not name."""
    found = {}
    for key in keys:
        database, _, name = key.rpartition("/")
        pattern = rf"^{re.escape(database)} = .*\b{name}=(\d+)" if database else rf"^{re.escape(name)} = (.*)$"
        if match := re.search(pattern, text, re.MULTILINE):
            found[key] = match[1]
    return found

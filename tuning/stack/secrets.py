"""The passwords and keys of one instance: made once, readable by the owner alone."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tuning.stack.errors import StackError


@dataclass(frozen=True, slots=True)
class Secrets:
    superuser: str
    migrator: str
    app: str
    admin: str
    lab: str
    readonly: str
    replicator: str
    monitor: str
    pooler: str
    redis: str
    secret_key: str
    jwt_key: str

    def __repr__(self) -> str:
        return "Secrets(...)"


def load_or_make(path: Path) -> Secrets:
    """Read the instance's secrets, or make and keep new ones.

    Raises:
        StackError: The file is there but cannot be understood.
    """
    if not path.exists():
        made = Secrets(**{field.name: secrets.token_urlsafe(36) for field in fields(Secrets)})
        write_private(path, json.dumps(asdict(made), indent=2))
        return made
    try:
        return Secrets(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise StackError(f"{path} is not readable as the secrets of a stack: remove the instance") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that the caller alone can read, whole or not at all."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    staging.replace(path)

"""Secrets from files: ``HOTROW_<NAME>_FILE`` names a file that holds ``HOTROW_<NAME>``.

An orchestrator mounts secrets as files; a variable can be read by whoever may list the process.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

SUFFIX = "_FILE"


def read(names: Iterable[str], env: Mapping[str, str]) -> dict[str, str]:
    """Read the secrets whose variables have a ``_FILE`` beside them; of each file the first line.

    Args:
        names: The variables that may be given so.
        env: The process's environment.

    Raises:
        ValueError: A variable is given twice, or its file cannot be read or is empty.
    """
    found = {}
    for name in names:
        path = env.get(name + SUFFIX)
        if path is None:
            continue
        if name in env:
            raise ValueError(f"{name} and {name}{SUFFIX} are both set: remove one")
        try:
            lines = Path(path).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ValueError(f"{name}{SUFFIX}: {path} cannot be read ({reason}): name a readable file") from None
        if not lines or not lines[0].strip():
            raise ValueError(f"{name}{SUFFIX}: {path} is empty: write the secret into its first line")
        found[name] = lines[0].strip()
    return found

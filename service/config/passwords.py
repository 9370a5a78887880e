"""Put a password that was given by itself, as a secret file is, into an address."""

import re
from urllib.parse import quote, urlsplit, urlunsplit

_KEY = re.compile(r"\bpassword\s*=")


def with_password(address: str, password: str) -> str:
    """The address with the password in it.

    Args:
        address: A URI such as ``redis://host/0``, or libpq's ``key=value`` pairs.

    Raises:
        ValueError: It holds a password already.
    """
    parts = urlsplit(address) if "://" in address else None
    if parts is None:
        if _KEY.search(address):
            raise ValueError("it holds a password already")
        escaped = password.replace("\\", "\\\\").replace("'", "\\'")
        return f"{address} password='{escaped}'"
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in user or _KEY.search(parts.query):
        raise ValueError("it holds a password already")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{hosts}"))

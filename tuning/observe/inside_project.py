"""What a project's own Python tells of its connections: its text is run there with ``python -c``, never imported here.

It knows nothing of the kit and writes one line of JSON last, without passwords. Arguments: ``django`` and a settings
module, or ``gunicorn`` and a configuration file, which may be empty for the defaults.
"""

import importlib
import json
import os
import re
import sys
from typing import Any

OPTIONS = (
    "prepare_threshold",
    "prepared_max",
    "server_side_binding",
    "options",
    "connect_timeout",
    "target_session_attrs",
    "application_name",
    "client_encoding",
    "sslmode",
    "isolation_level",
    "assume_role",
    "replication",
    "gssencmode",
)


def release(text: str) -> list[int]:
    match = re.match(r"[0-9]+([.][0-9]+)*", text)
    return [int(part) for part in match[0].split(".")] if match else []


def driver() -> dict[str, Any]:
    """The version of psycopg, and of the libpq that it speaks through."""
    try:
        psycopg = importlib.import_module("psycopg")
        return {"psycopg": release(psycopg.__version__), "libpq": psycopg.pq.version()}
    except ImportError:
        psycopg2 = importlib.import_module("psycopg2")
        return {"psycopg": release(psycopg2.__version__), "libpq": psycopg2.extensions.libpq_version()}


def alias(name: str, entry: dict[str, Any], bounds: dict[str, Any]) -> dict[str, Any]:
    given = entry.get("OPTIONS") or {}
    pool = given.get("pool")
    if pool is True:
        pool = {}
    numbers = ("min_size", "max_size", "timeout", "max_waiting")
    return {
        "name": name,
        "engine": entry["ENGINE"],
        "host": entry.get("HOST") or "",
        "port": str(entry.get("PORT") or ""),
        "database": str(entry.get("NAME") or ""),
        "user": entry.get("USER") or "",
        "conn_max_age": entry.get("CONN_MAX_AGE", 0),
        "health_checks": bool(entry.get("CONN_HEALTH_CHECKS")),
        "server_side_cursors": not entry.get("DISABLE_SERVER_SIDE_CURSORS", False),
        "atomic": bool(entry.get("ATOMIC_REQUESTS")),
        "time_zone": entry.get("TIME_ZONE"),
        "pool": {key: pool[key] for key in numbers if pool.get(key) is not None} if isinstance(pool, dict) else None,
        # An isolation level is an enumeration, and whatever else is no JSON is told by its name.
        "options": {key: plain(given[key]) for key in OPTIONS if key in given},
        "connections": bounds.get(name),
    }


def plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def read_django(module: str) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    settings = importlib.import_module("django.conf").settings
    # Django's own handler fills in what the settings leave out: all of it since 4.1, less before.
    databases = importlib.import_module("django.db").connections.databases
    bounds = getattr(settings, "HOTROW_CHAIN_CONNECTIONS", {})
    default_zone = "UTC" if settings.USE_TZ else settings.TIME_ZONE
    aliases = [alias(name, entry, bounds) for name, entry in databases.items()]
    for each in aliases:
        each["time_zone"] = each["time_zone"] or default_zone
    return {"django": release(importlib.import_module("django").__version__), "aliases": aliases, **driver()}


def read_gunicorn(configuration: str) -> dict[str, Any]:
    sys.argv = ["gunicorn", *(["-c", configuration] if configuration else []), "project:application"]
    config = importlib.import_module("gunicorn.app.wsgiapp").WSGIApplication().cfg
    return {
        "worker_class": config.worker_class_str,
        "workers": config.workers,
        "threads": config.threads,
        "worker_connections": config.worker_connections,
        "is_preloaded": bool(config.preload_app),
        "early_imports": [name for name in ("psycopg", "psycopg2") if name in sys.modules],
    }


if __name__ == "__main__":
    READERS = {"django": read_django, "gunicorn": read_gunicorn}
    print("\n" + json.dumps(READERS[sys.argv[1]](sys.argv[2])))

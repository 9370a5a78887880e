"""A PostgreSQL of a test's own with the kit's schema, and nothing beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running


@contextmanager
def bare(name: str, **settings: str) -> Iterator[Stack]:
    """A fresh instance with these settings of PostgreSQL beside the kit's; removed afterwards."""
    profile = replace(
        KIT,
        name=name,
        has_pgbouncer=False,
        has_redis=False,
        has_replica=False,
        has_web=False,
        postgres_settings={**KIT.postgres_settings, **settings},
    )
    with running(name, profile, is_fresh=True) as stack:
        yield stack

"""The service with the release's migrations beside its own."""

from pathlib import Path

from service.config.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.release"]  # noqa: F405
HOTROW_SQL_ROOT = Path(__file__).parent / "sql"

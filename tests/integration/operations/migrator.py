"""Apply one operation in a Django project that has no application, and say when it is done.

Run as ``python -m tests.integration.operations.migrator CONNINFO SQL_ROOT OPERATION``; it ends with
its standard input, like a migration that has done its work and not recorded it yet.
"""

import logging
import sys

import django
from django.conf import settings
from django.db import connection
from django.db.migrations.state import ProjectState
from psycopg.conninfo import conninfo_to_dict


def main(conninfo: str, root: str, operation: str) -> None:
    given = conninfo_to_dict(conninfo)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given["dbname"],
        "USER": given["user"],
        "PASSWORD": given["password"],
        "HOST": given["host"],
        "PORT": given["port"],
        "OPTIONS": {"application_name": "migrator"},
    }
    settings.configure(DATABASES={"default": database}, HOTROW_SQL_ROOT=root)
    django.setup()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)

    from service.db import operations

    made = eval(operation, vars(operations))
    with connection.schema_editor(atomic=False) as editor:
        made.database_forwards("project", editor, ProjectState(), ProjectState())
    print("done", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:4])

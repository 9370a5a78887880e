"""What a project tells of one app's models and migrations: its text is run there with ``python -c``.

It knows nothing of the kit and writes one line of JSON last. Arguments: the settings module and the app's label.
"""

import importlib
import importlib.util
import inspect
import json
import os
import sys
from typing import Any


def read(settings_module: str, label: str) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = settings_module
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  # Python's own -c does so, and not in safe mode
    importlib.import_module("django").setup()
    apps = importlib.import_module("django.apps").apps
    settings = importlib.import_module("django.conf").settings
    loader = importlib.import_module("django.db.migrations.loader").MigrationLoader(None)
    if label not in apps.app_configs:
        return {"error": f"the project has no app {label}: it has {', '.join(sorted(apps.app_configs))}"}
    module, _ = loader.migrations_module(label)
    if label in loader.unmigrated_apps or module is None:
        return {"error": f"the app {label} has no migrations: make its first with makemigrations"}
    package = importlib.import_module(module)
    operations = importlib.util.find_spec("service") is not None
    return {
        "migrations": str(next(iter(package.__path__))),
        "names": sorted(name for app, name in loader.disk_migrations if app == label),
        "leaves": [list(node) for node in loader.graph.leaf_nodes(label)],
        "sql_root": str(getattr(settings, "HOTROW_SQL_ROOT", "")),
        "has_operations": operations,
        "models": [model(each) for each in apps.get_app_config(label).get_models()],
    }


def model(each: Any) -> dict[str, Any]:
    meta = each._meta
    return {
        "name": each.__name__,
        "table": meta.db_table,
        "file": inspect.getsourcefile(each),
        "columns": {field.column: field.name for field in meta.local_concrete_fields},
        "indexes": [index.name for index in meta.indexes],
    }


if __name__ == "__main__":
    print("\n" + json.dumps(read(sys.argv[1], sys.argv[2])))

"""Settings of the old project; only the last application is new."""

import os

from psycopg.conninfo import conninfo_to_dict

_given = conninfo_to_dict(os.environ["OLDSHOP_DATABASE_URL"])

SECRET_KEY = "old"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "tests.oldshop.shop",
    "service.adopt",
]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _given["dbname"],
        "USER": _given["user"],
        "PASSWORD": _given["password"],
        "HOST": _given["host"],
        "PORT": _given["port"],
        "CONN_MAX_AGE": None,
    }
}

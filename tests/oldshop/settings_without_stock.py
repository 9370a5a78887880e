"""The same without the application that counts stock: there is nothing to propose."""

from tests.oldshop.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "service.adopt"]

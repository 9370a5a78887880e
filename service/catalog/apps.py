"""The Django application ``catalog``."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "service.catalog"
    label = "catalog"

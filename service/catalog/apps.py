"""The Django application ``catalog``."""

from importlib import import_module

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "service.catalog"
    label = "catalog"

    def ready(self) -> None:
        # Listens from its import on.
        import_module("service.catalog.signals")

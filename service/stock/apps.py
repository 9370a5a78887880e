"""The Django application ``stock``."""

from django.apps import AppConfig


class StockConfig(AppConfig):
    name = "service.stock"
    label = "stock"

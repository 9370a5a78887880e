"""The Django application ``shop``."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.oldshop.shop"
    label = "shop"

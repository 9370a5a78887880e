"""The Django application ``checkout``."""

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "service.checkout"
    label = "checkout"

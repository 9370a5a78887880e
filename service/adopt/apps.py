"""The Django application ``hotrow_adopt``: the command ``adopt_stock`` and nothing else."""

from django.apps import AppConfig


class AdoptConfig(AppConfig):
    name = "service.adopt"
    label = "hotrow_adopt"

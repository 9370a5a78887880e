"""The Django application ``release``."""

from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    name = "tests.release"
    label = "release"

"""The URL root."""

from django.urls import path

from service.config.api import api
from service.ops.health import healthz, readyz

urlpatterns = [path("healthz", healthz), path("readyz", readyz), path("api/", api.urls)]

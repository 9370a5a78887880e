"""The URL root."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from service.config.api import api
from service.ops.health import healthz, readyz

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("api/", api.urls),
]
if settings.HAS_ADMIN:
    urlpatterns += [path("admin/", admin.site.urls), path("admin", RedirectView.as_view(pattern_name="admin:index"))]

"""The URL root."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from service.catalog.api import product_list
from service.config.api import api, direct
from service.ops import api_docs
from service.ops.health import healthz, readyz
from service.ops.outages import server_error
from service.stock.api import product_availability
from service.stock.reserve_api import create_reservation

handler500 = server_error
urlpatterns: list[URLPattern | URLResolver] = [
    # The hottest first: they are tried in this order.
    path("api/reservations", direct(create_reservation)),
    path("api/products", direct(product_list, "GET")),
    path("api/products/<product_id>/availability", direct(product_availability, "GET")),
    path("api/", api.urls),
    path("healthz", healthz),
    path("readyz", readyz),
]
if settings.HAS_API_DOCS:
    urlpatterns += [path("api/docs", api_docs.page), path("api/docs/<str:name>", api_docs.file)]
if settings.HAS_ADMIN:
    urlpatterns += [path("admin/", admin.site.urls), path("admin", RedirectView.as_view(pattern_name="admin:index"))]

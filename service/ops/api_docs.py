"""The page of the API's documents, for people: Swagger UI as ninja brings it, with nothing from elsewhere.

Served here and not by whitenoise, whose middleware each request of the API would pay for.
"""

import json
from functools import cache
from pathlib import Path

import ninja
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

_STATIC = Path(ninja.__file__).parent / "static" / "ninja"
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-init.js": "text/javascript",
    "favicon.png": "image/png",
}
# Swagger UI sets styles from its code; everything else comes from here, and nothing may frame the page.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>hotrow: API</title>
  <link rel="icon" href="/api/docs/favicon.png">
  <link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
  <script type="application/json" id="swagger-settings">%s</script>
  <div id="swagger-ui"></div>
  <script src="/api/docs/swagger-ui-bundle.js"></script>
  <script src="/api/docs/swagger-ui-init.js"></script>
</body>
</html>
"""
_SETTINGS = {"url": "/api/openapi.json", "layout": "BaseLayout", "deepLinking": True}
MAX_AGE_S = 3600


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    answer = HttpResponse(_PAGE % json.dumps(_SETTINGS))
    answer["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return answer


@require_safe
def file(request: HttpRequest, name: str) -> HttpResponse:
    if name not in _FILES:
        raise Http404
    answer = HttpResponse(_content(name), content_type=_FILES[name])
    answer["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    return answer


@cache
def _content(name: str) -> bytes:
    return (_STATIC / name).read_bytes()

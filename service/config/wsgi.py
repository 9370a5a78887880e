"""The WSGI entry point, loaded by each gunicorn worker (after gevent has patched it)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.config.settings")
application = get_wsgi_application()

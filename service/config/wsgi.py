"""The WSGI entry point, loaded by each gunicorn worker (after gevent has patched it)."""

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

from service.config.environment import environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.config.settings")
application: Any = get_wsgi_application()
if environment().metrics_bind:
    # Both need Django's settings.
    from service.ops import collector
    from service.ops.metrics_listener import beside

    collector.start()
    application = beside(application, environment().metrics_bind)
